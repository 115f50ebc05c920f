import type { LanguageModelV4 } from "@ai-sdk/provider";
import type { VerifyOptions } from "../agent/agent-definition.ts";
import type { ModelChoice } from "../agent/model-reference.ts";
import { LonghaulError } from "../base/error.ts";
import { isJsonObject, type Json, toJson } from "../base/json.ts";
import type { StepExecution } from "../engine/engine.ts";
import { fromFailure } from "../record/failure.ts";
import type { Write } from "../record/write.ts";
import { toModelPlan } from "./durable-model.ts";
import { modelStep } from "./model-call.ts";
import { parseStandIn } from "./model-chain.ts";
import { openTools } from "./open-tools.ts";
import { type Parked, parseParked } from "./parked.ts";
import { placeOf, recordWrite } from "./run-record.ts";
import type { ForeignCandidate, RunScope } from "./run-services.ts";
import { afterMsOf, isRefusedByBreaker, parkedByBreaker, throughBreaker } from "./through-breaker.ts";
import { createTranscriptWriter } from "./transcript.ts";

/**
 * What one `verify` asks of models and tools, all within the one step of its verdict: paid from the task's budget and on record, but not journaled by itself. A verify that is
 * made again after a crash asks again; so it may call nothing that must not happen twice.
 */
export class VerifyCalls {
  /** What belongs into the step's commit, whatever the verdict. */
  readonly writes: Write[] = [];
  /** What a model waits for that cannot answer now. */
  parked: Parked | null = null;
  readonly #scope: RunScope;
  readonly #execution: StepExecution;
  readonly #round: number;
  readonly #transcript = createTranscriptWriter();
  #count = 0;

  constructor(scope: RunScope, execution: StepExecution, round: number) {
    this.#scope = scope;
    this.#execution = execution;
    this.#round = round;
  }

  /** What `verify` is given. `signal` ends with its time limit. */
  within(signal: AbortSignal): Pick<VerifyOptions<unknown, unknown>, "model" | "tool"> {
    return { model: (model) => this.#model(model, signal), tool: (name, input) => this.#tool(name, input, signal) };
  }

  /** What `verify` makes of a model that cannot answer now does not count: the run waits. */
  async orParked<T>(verify: () => T | Promise<T>): Promise<T | null> {
    try {
      return await verify();
    } catch (error) {
      if (this.parked === null) throw error;
      return null;
    }
  }

  #model(model: ModelChoice, signal: AbortSignal): LanguageModelV4 {
    const { outputTokensMax, modelTimeouts } = this.#scope.worker.limits;
    return this.#scope.services.durableModel(model, { outputTokensMax, timeouts: modelTimeouts, perform: (candidates) => this.#ask(candidates, signal) });
  }

  async #ask(candidates: readonly ForeignCandidate[], signal: AbortSignal): Promise<Json> {
    const execution = this.#next("model", signal);
    const { outcome, writes = [] } = await modelStep(this.#scope, execution, toModelPlan(execution.identity.name, candidates, this.#transcript), this.#round);
    this.writes.push(...writes);
    if (!outcome.ok) throw fromFailure(outcome.failure);
    const parked = parseParked(outcome.value);
    if (parked !== null) throw this.#park(parked);
    return parseStandIn(outcome.value).answer;
  }

  async #tool(name: string, input: unknown, signal: AbortSignal): Promise<Json> {
    const { worker, engine, services } = this.#scope;
    const execution = this.#next("tool", signal);
    const tools = await openTools(this.#scope);
    const tool = tools.find((candidate) => candidate.name === name);
    if (tool === undefined) throw new LonghaulError("OPTION_INVALID", `verify of ${worker.name} calls the tool "${name}", which ${worker.name} does not have. It has: ${tools.map((candidate) => candidate.name).join(", ") || "none"}.`);
    if (tool.heldBack !== undefined) throw new LonghaulError("TOOL_FAILED", `verify of ${worker.name} calls the tool "${name}", which is held back: ${tool.heldBack}`);
    if (tool.effect === "once" || tool.approval !== undefined) {
      const why = tool.effect === "once" ? "must not happen twice, and a verify may be made again" : "a person has to allow";
      throw new LonghaulError("OPTION_INVALID", `verify of ${worker.name} calls the tool "${name}", which ${why}. Let verify call tools that are read or idempotent.`);
    }
    const given = toJson(input ?? {}, `${worker.name}: the input of ${name} in verify`);
    const startedMs = services.clock.monotonicMs();
    const call = async () => await tool.call(given, { signal, idempotencyKey: execution.idempotencyKey, taskId: engine.task.id, runId: engine.runId });
    const result = await throughBreaker(this.#scope, { dependency: tool.dependency, signal, endOf: (error) => (error === undefined ? "good" : "none") }, call).catch((error: unknown) => {
      throw isRefusedByBreaker(error) ? this.#park(parkedByBreaker(afterMsOf(error), services.random)) : error;
    });
    this.writes.push(recordWrite(this.#scope, placeOf(execution), {
      event_type: "tool_call", tool_name: name, tool_args: isJsonObject(given) ? given : { input: given }, result: result.ok ? "success" : "error",
      duration_ms: Math.round(services.clock.monotonicMs() - startedMs), reason: result.ok ? null : `${result.kind}: ${result.message}`, data: { of: "verify" },
    }));
    if (result.ok) return services.hideSecrets(result.value);
    throw new LonghaulError("TOOL_FAILED", `${name} failed in verify of ${worker.name}: ${result.message}`, { retry: "backoff" });
  }

  #park(parked: Parked): Error {
    this.parked = parked;
    return new Error(`verify of ${this.#scope.worker.name} waits (${parked.parked}), and is made again.`);
  }

  /** Each call is known by its place in this verify. */
  #next(what: "model" | "tool", signal: AbortSignal): StepExecution {
    const { limits, name } = this.#scope.worker;
    if (++this.#count > limits.turnsMax) throw new LonghaulError("OPTION_INVALID", `verify of ${name} made more than ${limits.turnsMax} calls of models and tools. Raise limits.turnsMax, or ask less.`, { retry: "never" });
    const { identity, idempotencyKey } = this.#execution;
    return { ...this.#execution, signal, identity: { ...identity, name: `${identity.name}/${what}${this.#count}` }, idempotencyKey: `${idempotencyKey}/${what}${this.#count}` };
  }
}
