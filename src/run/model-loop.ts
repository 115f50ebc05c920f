import type { AgentSpec, Verdict } from "../agent/agent-definition.ts";
import { idOfModel, listModels } from "../agent/model-reference.ts";
import { isJsonObject, type Json } from "../base/json.ts";
import { type Schema, validate } from "../base/schema.ts";
import type { Tool } from "../tool/tool.ts";
import type { StepExecution } from "../engine/engine.ts";
import type { FinishReason, Model } from "../model/model.ts";
import { type AssistantMessage, finalAnswerTool, type Message, textOf, type ToolCallPart, toolCallsOf, type ToolResultPart } from "../record/message.ts";
import type { DeadReason } from "../record/task.ts";
import { deadError } from "./dead-error.ts";
import { finalAnswerSpec, parseTextAnswer, unwrapFinalAnswer } from "./final-answer.ts";
import { callModel, type ModelAnswer, type PreparedCall } from "./model-call.ts";
import { openTools } from "./open-tools.ts";
import { RepeatGuard } from "./repeat-guard.ts";
import type { RunScope } from "./run-services.ts";
import { callTool } from "./tool-call.ts";
import { createTranscriptWriter } from "./transcript.ts";

export interface LoopResult {
  readonly output: unknown;
  readonly transcript: readonly Message[];
  readonly verdict: Verdict | null;
}

export type VerifyOutput = (output: unknown, transcript: readonly Message[]) => Promise<Verdict | null>;

/**
 * The model's turn, then its tools', until it hands in an answer that satisfies the schema and `verify`, or a limit ends it.
 * An answer that is empty, cut off or refused is never an output.
 */
export async function runModelLoop(scope: RunScope, input: unknown, verify: VerifyOutput): Promise<LoopResult> {
  const { worker } = scope;
  const loop = createLoop(scope, input);
  let refusals = 0;
  for (let turn = 1; turn <= worker.limits.turnsMax; turn++) {
    const answer = await loop.ask(turn);
    const calls = toolCallsOf(answer.message);
    const handedIn = await readAnswer(scope, answer, calls);
    if (handedIn.kind === "work") {
      await loop.work(turn, calls);
      continue;
    }
    const verdict = handedIn.kind === "output" ? await verify(handedIn.output, loop.transcript()) : null;
    if (handedIn.kind === "output" && (verdict === null || verdict.accepted)) return { output: handedIn.output, transcript: loop.transcript(), verdict };
    const refusal = handedIn.kind === "refused" ? handedIn : toRefusal(verdict);
    if (refusal.feedback === null || ++refusals > worker.limits.verifyAttempts) throw deadError(refusal.reason, describeRefusal(worker.name, refusal.why, refusals), refusal.evidence);
    loop.refuse(calls, refusal.feedback);
  }
  throw deadError("turn-limit", `${worker.name} made ${worker.limits.turnsMax} model calls without an accepted answer. Raise limits.turnsMax, or look at the run with \`longhaul show ${scope.engine.task.id}\`.`);
}

interface TurnAnswer {
  readonly message: AssistantMessage;
  readonly finishReason: FinishReason;
}

function createLoop(scope: RunScope, input: unknown) {
  const { services, worker, engine } = scope;
  const spec = worker.spec as Extract<AgentSpec<Schema, Schema>, { instructions: unknown }>;
  const instructions = typeof spec.instructions === "function" ? spec.instructions(input) : spec.instructions;
  const conversation: Message[] = [{ role: "user", text: spec.prompt ? spec.prompt(input) : promptOf(input) }];
  const store = createTranscriptWriter();
  const repeats = new RepeatGuard(scope);
  const tools = (): Promise<readonly Tool[]> => openTools(scope);

  const prepare = async (model: Model, execution: StepExecution): Promise<PreparedCall> => {
    const offered = (await tools()).filter(({ heldBack }) => heldBack === undefined).map(({ name, description, inputSchema }) => ({ name, description, inputSchema }));
    const system: Message = { role: "system", text: instructions, tools: spec.output ? [...offered, finalAnswerSpec(spec.output)] : offered };
    const session = await services.memory.open(worker.name, engine.task.id);
    const messages = [system, ...session.window(conversation)];
    const request = { messages, outputTokensMax: worker.limits.outputTokensMax };
    return {
      modelId: model.id,
      account: model.account,
      provider: model.provider,
      simulated: model.simulated,
      ...request,
      estimateMicroUsd: model.estimateMicroUsd(request),
      perform: async (listener): Promise<ModelAnswer> => {
        const done = await model.complete({
          ...request,
          idempotencyKey: execution.idempotencyKey,
          timeouts: worker.limits.modelTimeouts,
          signal: execution.signal,
          ...listener,
          ...(spec.temperature === undefined ? {} : { temperature: spec.temperature }),
          ...(spec.providerOptions === undefined ? {} : { providerOptions: spec.providerOptions }),
        });
        const stored = store([...messages, done.message]);
        const data = { transcript: stored.headId, finishReason: done.finishReason, responseModel: done.responseModel, responseId: done.responseId };
        return { value: { message: done.message as unknown as Json, finishReason: done.finishReason }, usage: done.usage, costMicroUsd: done.costMicroUsd, data, writes: stored.writes };
      },
    };
  };

  return {
    transcript: (): readonly Message[] => [...conversation],

    async ask(turn: number): Promise<TurnAnswer> {
      const value = await callModel(scope, {
        name: `t${turn}/model`,
        candidates: listModels(spec.model).map((reference) => ({ id: idOfModel(reference), prepare: async (execution) => prepare(await services.resolveModel(reference), execution) })),
      });
      const answer = value as unknown as TurnAnswer;
      conversation.push(answer.message);
      return answer;
    },

    /** Makes the calls, all at once; their results come in the order of the calls. An answer among them is put off: it was given before the results were known. */
    async work(turn: number, calls: readonly ToolCallPart[]): Promise<void> {
      const early = `Read the results of your other calls first, then call ${finalAnswerTool} alone.`;
      const make = (): Promise<readonly ToolResultPart[]> => Promise.all(calls.map(async (call) => (isFinalAnswer(scope, call) ? refusedCall(call, early) : callTool(scope, `t${turn}/tool/${call.callId}`, call, tools))));
      const results = await repeats.make(turn, calls, make);
      conversation.push({ role: "tool", results });
    },

    /** Every call gets a result, so that the conversation can go on. */
    refuse(calls: readonly ToolCallPart[], feedback: string): void {
      conversation.push(calls.length > 0 ? { role: "tool", results: calls.map((call) => refusedCall(call, feedback)) } : { role: "user", text: feedback });
    },
  };
}

function isFinalAnswer({ worker }: RunScope, { toolName }: ToolCallPart): boolean {
  return toolName === finalAnswerTool && worker.spec.output !== undefined;
}

function refusedCall({ callId, toolName }: ToolCallPart, feedback: string): ToolResultPart {
  return { type: "tool-result", callId, toolName, isError: true, value: feedback };
}

/** Why an answer is not accepted. */
interface Refusal {
  readonly reason: DeadReason;
  /** For people, when it ends the task. */
  readonly why: string;
  /** What the model is told; null when it is not asked again. */
  readonly feedback: string | null;
  readonly evidence: Json;
}

type HandedIn = { readonly kind: "work" } | { readonly kind: "output"; readonly output: unknown } | ({ readonly kind: "refused" } & Refusal);

/** What an answer is: more work, an output that satisfies the schema, or nothing that can be accepted. */
async function readAnswer(scope: RunScope, answer: TurnAnswer, calls: readonly ToolCallPart[]): Promise<HandedIn> {
  const { spec, limits } = scope.worker;
  const { output } = spec;
  const refuse = (reason: DeadReason, why: string, feedback: string | null): HandedIn => ({ kind: "refused", reason, why, feedback, evidence: { finishReason: answer.finishReason } });
  if (answer.finishReason === "content-filter") return refuse("refused", "the provider refused to answer (content filter)", null);
  // What was cut off is not acted on: the input of its last call may be half of what was meant.
  if (answer.finishReason === "length") {
    return refuse("truncated", `it was cut off at limits.outputTokensMax, ${limits.outputTokensMax} tokens`, `Your answer was cut off at ${limits.outputTokensMax} tokens. Answer again, shorter.`);
  }
  if (calls.length > limits.toolCallsMax) {
    return refuse("tool-call-limit", `it called ${calls.length} tools at once; limits.toolCallsMax is ${limits.toolCallsMax}`, `You called ${calls.length} tools at once, and none was run: at most ${limits.toolCallsMax} are.`);
  }
  const final = calls.find((call) => isFinalAnswer(scope, call));
  if (calls.some((call) => !isFinalAnswer(scope, call))) return { kind: "work" };
  const text = textOf(answer.message).trim();
  if (final === undefined && text === "") return refuse("empty", "it was empty", "Your answer was empty. Answer the task.");
  if (output === undefined) return { kind: "output", output: text };
  const candidate = final === undefined ? parseTextAnswer(text) : unwrapFinalAnswer(output, final.input);
  if (candidate === undefined) return refuse("invalid-output", `it was text, and not a call of ${finalAnswerTool}`, `Hand in your answer by calling the tool ${finalAnswerTool}.`);
  const checked = await validate(output, candidate);
  if (checked.ok) return { kind: "output", output: checked.value };
  const misfit = `does not fit the schema: ${checked.issues.join("; ")}`;
  return refuse("invalid-output", `it ${misfit}`, `Your answer ${misfit}. Mend it and call ${finalAnswerTool} again.`);
}

function toRefusal(verdict: Verdict | null): Refusal {
  const reason = withoutFullStop(verdict?.accepted === false ? verdict.reason : "no reason");
  return { reason: "rejected", why: `verify rejected it: ${reason}`, feedback: `Your answer was rejected: ${reason}. Mend it and answer again.`, evidence: verdict?.evidence ?? null };
}

function describeRefusal(name: string, why: string, answers: number): string {
  return answers > 1 ? `${name} gave ${answers} answers, and none could be accepted. Of the last one: ${why}.` : `${name} gave an answer that cannot be accepted: ${why}.`;
}

/** A reason that a person or a check wrote may be a sentence; it becomes a part of ours. */
function withoutFullStop(text: string): string {
  return text.trim().replace(/\.+$/, "");
}

function promptOf(input: unknown): string {
  if (typeof input === "string") return input;
  return input === null || input === undefined || (isJsonObject(input) && Object.keys(input).length === 0) ? "Begin." : JSON.stringify(input, null, 2);
}
