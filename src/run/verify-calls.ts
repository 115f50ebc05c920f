import type { LanguageModelV4 } from "@ai-sdk/provider";
import type { VerifyOptions } from "../agent/agent-definition.ts";
import type { ModelChoice } from "../agent/model-reference.ts";
import { orAborted } from "../base/abort.ts";
import { isLonghaulError, LonghaulError, messageOf } from "../base/error.ts";
import { isJsonObject, type Json, toJson } from "../base/json.ts";
import type { StepExecution } from "../engine/engine.ts";
import type { CallEnd } from "../policy/breaker.ts";
import { limiterDefaults } from "../policy/scope.ts";
import { fromFailure } from "../record/failure.ts";
import type { Write } from "../record/write.ts";
import type { Tool, ToolResult } from "../tool/tool.ts";
import { toModelPlan } from "./durable-model.ts";
import { modelStep } from "./model-call.ts";
import { parseStandIn, type StandIn } from "./model-chain.ts";
import { openTools } from "./open-tools.ts";
import { computeDurableRetryMs, type Parked, parseParked } from "./parked.ts";
import { hashArguments } from "./question.ts";
import { placeOf, recordWrite } from "./run-record.ts";
import type { ForeignCandidate, RunScope } from "./run-services.ts";
import { isRefusedByBreaker, parkedByBreaker, parkedByRefusal, placeOfRefusal, throughBreaker } from "./through-breaker.ts";
import { isRefusedByLimiter, parkedByLimiter, throughLimiter } from "./through-limiter.ts";
import { endOfToolCall } from "./tool-call.ts";
import { createTranscriptWriter } from "./transcript.ts";

/** One of the tries of one `verify` within its step: the first, and those after it threw. */
export interface VerifyTry {
  /** Of the answers that this try was given. */
  readonly standIns: readonly StandIn[];
  /** What `verify` is given. */
  readonly given: Pick<VerifyOptions<unknown, unknown>, "model" | "tool">;
  /** What it still waits for is given up, and what it asks from now on is not asked. */
  end(): void;
}

/** Which of the steps of one verdict this is. */
export interface VerifyPlace {
  /** The idempotency key of the first of them. */
  readonly key: string;
  /** How often it has waited for an outage to end, and one more. */
  readonly round: number;
}

interface Asking {
  readonly signal: AbortSignal;
  readonly standIns: StandIn[];
  /** How often a tool was called with the same input. */
  readonly alike: Map<string, number>;
  calls: number;
}

/**
 * What one `verify` asks of models and tools, all within the one step of its verdict: paid from the task's budget and on record, but not journaled by itself. A verify that is
 * made again after a crash asks again; so it may call nothing that must not happen twice. A tool is given the same idempotency key then.
 */
export class VerifyCalls {
  /** What belongs into the step's commit, whatever the verdict. */
  readonly writes: Write[] = [];
  /** What a model or a tool waits for that cannot answer now. */
  parked: Parked | null = null;
  readonly #scope: RunScope;
  readonly #execution: StepExecution;
  readonly #place: VerifyPlace;
  readonly #transcript = createTranscriptWriter();
  readonly #underWay = new Set<Promise<unknown>>();
  /** Over all tries: each call has records of its own. */
  #count = 0;

  constructor(scope: RunScope, execution: StepExecution, place: VerifyPlace) {
    this.#scope = scope;
    this.#execution = execution;
    this.#place = place;
  }

  /** `signal` ends with the time limit of the try. */
  begin(signal: AbortSignal): VerifyTry {
    const ending = new AbortController();
    const asking: Asking = { signal: AbortSignal.any([signal, ending.signal]), standIns: [], alike: new Map(), calls: 0 };
    return {
      standIns: asking.standIns,
      given: { model: (model) => this.#model(model, asking), tool: (name, input) => this.#whileAsking(asking, () => this.#tool(name, input, asking)) },
      end: () => ending.abort(new Error(`verify of ${this.#scope.worker.name} ended without this answer`)),
    };
  }

  /** What `verify` makes of a model or a tool that cannot answer now does not count: the run waits. */
  async orParked<T>(verify: () => T | Promise<T>): Promise<T | null> {
    try {
      return await verify();
    } catch (error) {
      if (this.parked === null) throw error;
      return null;
    }
  }

  /** Until what was given up has ended too, and is on record. */
  async settle(): Promise<void> {
    await orAborted(this.#execution.signal, () => Promise.all(this.#underWay));
  }

  /** Code that goes on after its verify has ended is told nothing: nobody would catch an error. */
  #whileAsking<T>(asking: Asking, ask: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (asking.signal.aborted) return;
      const asked = ask().then(
        (value) => void (asking.signal.aborted || resolve(value)),
        (error: unknown) => void (asking.signal.aborted || reject(error as Error)),
      );
      this.#underWay.add(asked);
      void asked.then(() => this.#underWay.delete(asked));
    });
  }

  #model(model: ModelChoice, asking: Asking): LanguageModelV4 {
    const { outputTokensMax, modelTimeouts } = this.#scope.worker.limits;
    const perform = (candidates: readonly ForeignCandidate[]): Promise<Json> => this.#whileAsking(asking, () => this.#ask(candidates, asking));
    return this.#scope.services.durableModel(model, { outputTokensMax, timeouts: modelTimeouts, perform });
  }

  async #ask(candidates: readonly ForeignCandidate[], asking: Asking): Promise<Json> {
    const execution = this.#next("model", asking);
    const plan = { ...toModelPlan(execution.identity.name, candidates, this.#transcript), isGivenUp: () => !this.#execution.signal.aborted };
    const { outcome, writes = [] } = await modelStep(this.#scope, execution, plan, this.#place.round);
    this.writes.push(...writes);
    asking.signal.throwIfAborted();
    if (!outcome.ok) throw fromFailure(outcome.failure);
    const parked = parseParked(outcome.value);
    if (parked !== null) throw this.#park(parked);
    const { standIn, answer } = parseStandIn(outcome.value);
    if (standIn !== null) asking.standIns.push(standIn);
    return answer;
  }

  async #tool(name: string, input: unknown, asking: Asking): Promise<Json> {
    const { worker, services } = this.#scope;
    const execution = this.#next("tool", asking);
    const tool = await this.#findTool(name, execution, asking);
    const given = toJson(input ?? {}, `${worker.name}: the input of ${name} in verify`);
    const startedMs = services.clock.monotonicMs();
    const result = await this.#call(tool, given, execution, this.#keyFor(name, given, asking)).catch((error: unknown) => {
      throw isRefusedByBreaker(error) || isRefusedByLimiter(error) ? this.#parkUnmade(error, name, execution, asking) : error;
    });
    this.writes.push(recordWrite(this.#scope, placeOf(execution), {
      event_type: "tool_call", tool_name: name, tool_args: isJsonObject(given) ? given : { input: given }, result: result.ok ? "success" : "error",
      duration_ms: Math.round(services.clock.monotonicMs() - startedMs), reason: result.ok ? null : `${result.kind}: ${result.message}`, data: { of: "verify" },
    }));
    if (result.ok) return services.hideSecrets(result.value);
    const failed = new LonghaulError("TOOL_FAILED", `${name} failed in verify of ${worker.name}: ${result.message}`, { retry: "backoff" });
    // It may answer later what it cannot answer now; any other failure is an answer.
    throw endOfToolCall(result) === "bad" ? this.#parkFor(failed, asking, tool.dependency) : failed;
  }

  async #call(tool: Tool, given: Json, { identity, signal }: StepExecution, idempotencyKey: string): Promise<ToolResult> {
    const { engine } = this.#scope;
    const { dependency, concurrencyMax = limiterDefaults.toolConcurrency } = tool;
    const governed = { name: identity.name, account: dependency, provider: "", model: null, concurrencyMax, inputTokens: 0, outputTokens: 0, signal };
    let end: CallEnd = "none";
    return await throughLimiter(this.#scope, governed, () => ({ kind: "rejected" }), () =>
      throughBreaker(this.#scope, { dependency, signal, endOf: () => end }, async () => {
        const result = await tool.call(given, { signal, idempotencyKey, taskId: engine.task.id, runId: engine.runId });
        end = endOfToolCall(result);
        return result;
      }),
    );
  }

  async #findTool(name: string, execution: StepExecution, asking: Asking): Promise<Tool> {
    const { worker } = this.#scope;
    const tools = await orAborted(asking.signal, () => openTools(this.#scope)).catch((error: unknown) => {
      throw isLonghaulError(error) && (error.code === "MCP_UNAVAILABLE" || isRefusedByBreaker(error)) ? this.#parkUnmade(error, name, execution, asking) : error;
    });
    const tool = tools.find((candidate) => candidate.name === name);
    if (tool === undefined) throw new LonghaulError("OPTION_INVALID", `verify of ${worker.name} calls the tool "${name}", which ${worker.name} does not have. It has: ${tools.map((candidate) => candidate.name).join(", ") || "none"}.`);
    if (tool.heldBack !== undefined) throw new LonghaulError("TOOL_FAILED", `verify of ${worker.name} calls the tool "${name}", which is held back: ${tool.heldBack}`);
    if (tool.effect === "once" || tool.approval !== undefined) {
      const why = tool.effect === "once" ? "must not happen twice, and a verify may be made again" : "a person has to allow";
      throw new LonghaulError("OPTION_INVALID", `verify of ${worker.name} calls the tool "${name}", which ${why}. Let verify call tools that are read or idempotent.`);
    }
    return tool;
  }

  #parkUnmade(error: LonghaulError, name: string, execution: StepExecution, asking: Asking): Error {
    const fields = isRefusedByBreaker(error) ? ({ event_type: "breaker", result: "refused" } as const) : isRefusedByLimiter(error) ? ({ event_type: "park", result: "refused" } as const) : ({ event_type: "error", result: "error" } as const);
    this.writes.push(recordWrite(this.#scope, placeOfRefusal(placeOf(execution), error), { ...fields, tool_name: name, reason: error.message, data: { ...error.details, of: "verify" } }));
    return this.#parkFor(error, asking);
  }

  /** What a call waits for that was not made, or not answered. */
  #parkFor(error: LonghaulError, asking: Asking, dependency?: string): Error {
    if (asking.signal.aborted) return error;
    const { breakers, random } = this.#scope.services;
    if (isRefusedByBreaker(error)) return this.#park(parkedByRefusal(error, random), error);
    if (isRefusedByLimiter(error)) return this.#park(parkedByLimiter(error, random), error);
    const refusedForMs = dependency === undefined ? null : breakers.refusedForMs(dependency);
    return this.#park(refusedForMs === null ? { parked: "retry", forMs: computeDurableRetryMs(this.#place.round), signal: null, effectKey: null } : parkedByBreaker(refusedForMs, random), error);
  }

  /** The key stays that of the first step: the same call is known as the same by whoever gets it. */
  #park(parked: Parked, error?: LonghaulError): Error {
    this.parked = { ...parked, effectKey: this.#place.key };
    return new Error(`verify of ${this.#scope.worker.name} waits (${parked.parked}), and is made again${error === undefined ? "." : `: ${messageOf(error)}`}`);
  }

  /** By what is asked of whom, and not by the place of the call: a verify that is made again may ask for something else. */
  #keyFor(name: string, given: Json, { alike }: Asking): string {
    const call = `${name}/${hashArguments(given)}`;
    const count = (alike.get(call) ?? 0) + 1;
    alike.set(call, count);
    return `${this.#place.key}/tool/${call}/${count}`;
  }

  #next(what: "model" | "tool", asking: Asking): StepExecution {
    const { limits, name } = this.#scope.worker;
    if (++asking.calls > limits.turnsMax) throw new LonghaulError("OPTION_INVALID", `verify of ${name} made more than ${limits.turnsMax} calls of models and tools. Raise limits.turnsMax, or ask less.`, { retry: "never" });
    this.#count++;
    const { identity, idempotencyKey } = this.#execution;
    return { ...this.#execution, signal: asking.signal, identity: { ...identity, name: `${identity.name}/${what}${this.#count}` }, idempotencyKey: `${idempotencyKey}/${what}${this.#count}` };
  }
}
