import type { Clock } from "../base/clock.ts";
import { withDeadline } from "../base/deadline.ts";
import { describeValue } from "../base/describe-value.ts";
import { formatDuration } from "../base/duration.ts";
import type { Json } from "../base/json.ts";
import { thrownText } from "./result.ts";
import type { ApprovalNeed, ApprovalOptions, ToolApproval, ToolResult } from "./tool.ts";

/** A method, so that a function may say which input it takes where the tool's own schema is not known: of an MCP server, of the AI SDK. */
interface Decides<Input> {
  decide(input: Input, options: ApprovalOptions): boolean | PromiseLike<boolean>;
}
/** Whether a person has to allow a call: always, never, or by its input. */
export type NeedsApproval<Input = unknown> = boolean | Decides<Input>["decide"];

export interface ApprovalPlan<Input> {
  readonly clock: Clock;
  /** Of the deciding function. */
  readonly timeoutMs: number;
  readonly withinMs: number;
  readonly needs: NeedsApproval<Input>;
  /** The input as the tool takes it, or why it would refuse the call. */
  readonly parse: (input: Json) => Promise<{ readonly ok: true; readonly value: Input } | { readonly ok: false; readonly result: ToolResult }>;
}

/** Undefined when no call ever needs it. When it cannot be found out whether one does, a person is asked. */
export function toApproval<Input>({ clock, timeoutMs, withinMs, needs, parse }: ApprovalPlan<Input>): ToolApproval | undefined {
  if (needs === false) return undefined;
  const onTimeout = (): Error => new Error(`it did not end within ${formatDuration(timeoutMs)}`);
  return {
    withinMs,
    async ask(input, options) {
      try {
        return await withDeadline({ clock, timeoutMs, onTimeout, signal: options.signal }, async (signal): Promise<ApprovalNeed> => {
          const parsed = await parse(input);
          if (!parsed.ok) return { need: "refused", result: parsed.result };
          return toNeed(needs === true ? true : await needs(parsed.value, { ...options, signal }));
        });
      } catch (error) {
        if (options.signal.aborted) throw error;
        return { need: "permission", why: `needsApproval failed: ${thrownText(error)}` };
      }
    },
  };
}

function toNeed(answer: unknown): ApprovalNeed {
  if (answer === false) return { need: "none" };
  return { need: "permission", why: answer === true ? null : `needsApproval returned ${describeValue(answer)}, which is neither true nor false` };
}
