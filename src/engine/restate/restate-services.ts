import { handlers, internal, object, service, TerminalError, workflow, type Context, type ObjectContext, type ServiceDefinition, type VirtualObjectDefinition, type WorkflowContext, type WorkflowDefinition } from "@restatedev/restate-sdk";
import { noteBegun } from "./call-intake.ts";
import { type Activation, isActivation } from "./claim.ts";
import { placeName, serviceNames } from "./service-names.ts";

/** What the engine does when Restate calls it. */
export interface RestateHandler {
  /** Gives free slots of an agent; what it returns is called. `claim` tells a repeated call from a new one. */
  claim(agent: string, claim: string): Promise<readonly Activation[]>;
  activate(context: WorkflowContext, activation: Activation): Promise<void>;
  /** Notes that another process, which does not reach PostgreSQL, gives these back to Restate: no crash interrupted them. */
  take(activations: readonly Activation[]): Promise<void>;
  /** Restate takes this invocation out of memory, and calls it again when it can go on. */
  suspended(invocationId: string): Promise<void>;
  /** The code of this invocation waits for something else than its journal goes on with: Restate ends the attempt, and calls it again. */
  mismatched(invocationId: string): Promise<void>;
  /** Resolves when it is noted why this invocation ended, if it was told. */
  noted(invocationId: string): Promise<void>;
}

/** Longer than any step may take, since no run may execute for longer than 30 days (`limits.activeTime`): Restate throws away what a step comes to that it has cut off. */
const longestStep = { hours: 24 * 31 };
/** Restate tries an attempt again that was cut off by a crash, for ever (by default it would pause after 70). Failures of steps never come here: they are values. */
const retryPolicy = { initialInterval: 50, exponentiationFactor: 2, maxAttempts: 2_147_483_647 };
/** Restate's code for code that does not fit the journal. */
const journalMismatch = 570;
/** How long it remembers what it did: nobody asks, but a call that came twice must find it. */
const remembered = { minutes: 1 };

export interface ServicesOptions {
  readonly team: string;
  readonly handler: RestateHandler;
  readonly recallMsMax: number;
  /** Tells the database from others; null or left out: not known. */
  readonly place?: string | null;
}

interface Services {
  readonly slots: VirtualObjectDefinition<string, unknown>;
  readonly runs: WorkflowDefinition<string, unknown>;
  readonly outage: ServiceDefinition<string, unknown>;
}

/** The services of a team: one object for each agent, which gives its slots one after the other, one workflow for each time that a run has a slot, and one that takes over what a process without PostgreSQL cannot go on with. */
export function restateServices({ team, handler, recallMsMax, place = null }: ServicesOptions): readonly Services[keyof Services][] {
  const names = serviceNames(team);
  const options = { inactivityTimeout: longestStep, abortTimeout: longestStep, retryPolicy: { ...retryPolicy, maxInterval: recallMsMax }, journalRetention: { milliseconds: 0 }, hooks: [begins] };
  const runs = workflow({
    name: names.runs,
    ...(place === null ? {} : { metadata: { [placeName]: place } }),
    options: { ...options, workflowRetention: remembered, hooks: [begins, ({ request }) => ({ interceptor: { handler: (next) => tellOfEnd(handler, request.id, next) } })] },
    handlers: { run: async (context: WorkflowContext, activation: unknown) => handler.activate(context, parseActivation(activation)) },
  });
  const slots = object({
    name: names.slots,
    // A call that is over is no answer to whoever asks again.
    options: { ...options, idempotencyRetention: { milliseconds: 0 } },
    handlers: {
      dispatch: handlers.object.exclusive(async (context: ObjectContext) => {
        for (const activation of await context.run("claim", () => handler.claim(context.key, context.request().id))) {
          context.workflowSendClient(runs, workflowKey(activation)).run(activation);
        }
      }),
    },
  });
  const outage = service({
    name: names.outage,
    options: { ...options, idempotencyRetention: remembered },
    handlers: { take: async (_: Context, activations: unknown) => handler.take(parseActivations(activations)) },
  });
  return [slots, runs, outage];
}

const begins = (): object => {
  noteBegun();
  return {};
};

/** Nobody who may call sends anything else. A sentence of ours is the whole answer: an error of the language would show what this machine looks like. */
function parseActivation(input: unknown): Activation {
  if (!isActivation(input)) throw new TerminalError("The input is not an activation of a run.", { errorCode: 400 });
  return input;
}

function parseActivations(input: unknown): readonly Activation[] {
  if (!Array.isArray(input)) throw new TerminalError("The input is not a list of activations.", { errorCode: 400 });
  return input.map(parseActivation);
}

async function tellOfEnd(handler: RestateHandler, invocationId: string, next: () => Promise<void>): Promise<void> {
  try {
    await next();
  } catch (error) {
    if (internal.isSuspendedError(error)) await handler.suspended(invocationId);
    else if (error instanceof Error && "code" in error && error.code === journalMismatch) await handler.mismatched(invocationId);
    throw error;
  }
}

/** One workflow for each time that a run has a slot: Restate executes it once, however often it is asked. */
export function workflowKey({ runId, activation }: Activation): string {
  return `${runId}.${activation}`;
}
