import type { LanguageModelV4 } from "@ai-sdk/provider";
import type { Clock } from "../base/clock.ts";
import type { Json, JsonObject } from "../base/json.ts";
import type { Random } from "../base/random.ts";
import type { CompensateOptions, StepScope } from "../agent/context.ts";
import type { ModelChoice, ModelReference } from "../agent/model-reference.ts";
import type { Engine, EngineContext } from "../engine/engine.ts";
import type { Memory } from "../memory/memory.ts";
import type { AnswerListener, Model, ModelTimeouts } from "../model/model.ts";
import type { Breakers } from "../policy/breakers.ts";
import type { Limiter } from "../policy/limiter.ts";
import type { Spend } from "../policy/spend-watch.ts";
import type { RetryQuotas } from "../policy/retry-quota.ts";
import type { Message } from "../record/message.ts";
import type { Doubt } from "../record/task.ts";
import type { Usage } from "../record/usage.ts";
import type { Write } from "../record/write.ts";
import type { Store } from "../store/store.ts";
import type { Tool } from "../tool/tool.ts";
import type { StandIn } from "./model-chain.ts";
import type { RunEnding } from "./run-ending.ts";
import type { Worker } from "./worker.ts";

/** What the run loop needs from the composition root. Everything here may be used inside step bodies only, but for the pure parts. */
export interface RunServices {
  readonly team: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: (prefix: string) => string;
  readonly store: Pick<Store, "money" | "effects" | "write">;
  readonly workers: ReadonlyMap<string, Worker>;
  readonly taskOfRun: Engine["taskOfRun"];
  readonly memory: Memory;
  /** Of each dependency: whether it is called now, how many retries it may still be asked for, and whose turn it is to call it. */
  readonly breakers: Pick<Breakers, "enter" | "leave" | "note" | "isProbe" | "refusedForMs">;
  readonly quotas: Pick<RetryQuotas, "of">;
  readonly limiter: Pick<Limiter, "enter">;
  /** What an agent usually spends for one accepted output, at the 99th percentile of its own tasks; null when it has done too few. */
  readonly usualSpend: (agent: string) => Promise<Spend | null>;
  readonly resolveModel: (reference: ModelReference) => Promise<Model>;
  /** The tools of an agent, opening what must be opened. */
  readonly toolsOf: (agent: string, signal: AbortSignal) => Promise<readonly Tool[]>;
  /** An AI SDK model whose every call goes through `perform`. */
  readonly durableModel: (model: ModelChoice, options: DurableModelPlan) => LanguageModelV4;
  /** The last verified output of this agent for this input that is not older than that; null when there is none. */
  readonly findVerified: (agent: string, input: Json, sinceMs: number) => Promise<VerifiedOutput | null>;
  /** The tasks that a published event starts, and the receipts of the triggers that saw it. */
  readonly subscribers: (event: string, data: JsonObject, publishId: string) => Promise<Subscribers>;
  /** Blanks out the values of secrets, so that no model is told them. */
  readonly hideSecrets: <T extends Json>(value: T) => T;
}

export interface DurableModelPlan {
  /** Of calls that name no limit. */
  readonly outputTokensMax: number;
  readonly timeouts: ModelTimeouts;
  /** Makes one call as a durable step, by the first of the candidates that answers. */
  readonly perform: (candidates: readonly ForeignCandidate[]) => Promise<Json>;
}

export interface VerifiedOutput {
  readonly taskId: string;
  readonly endedAtMs: number;
  readonly output: Json;
  readonly evidence: Json;
}

export interface Subscribers {
  readonly tasks: readonly { readonly id: string; readonly agent: string; readonly input: Json; readonly key: string; readonly source: string }[];
  readonly receipts: readonly Write[];
}

export interface ForeignCandidate {
  /** As the definition names the model. */
  readonly id: string;
  readonly prepare: () => Promise<ForeignModelCall>;
}

/** One call that an AI SDK function makes on a durable model. */
export interface ForeignModelCall {
  readonly modelId: string;
  readonly simulated: boolean;
  readonly account: string;
  readonly provider: string;
  readonly messages: readonly Message[];
  readonly outputTokensMax: number;
  readonly estimateMicroUsd: number;
  run(options: { readonly signal: AbortSignal; readonly idempotencyKey: string } & AnswerListener): Promise<ForeignModelAnswer>;
}

export interface ForeignModelAnswer {
  /** The provider's result in a form that survives JSON. */
  readonly value: Json;
  readonly message: Message;
  readonly finishReason: string;
  readonly usage: Usage;
  readonly costMicroUsd: number | null;
  readonly responseModel: string | null;
}

/** What `ctx.compensate` registered. */
export interface Compensation {
  readonly name: string;
  readonly undo: (scope: StepScope) => unknown;
  readonly options: CompensateOptions;
  /** The idempotency key of its registration: says whose it is when a run was served another's steps. */
  readonly key: string;
}

/** One run with what belongs to it. */
export interface RunScope {
  readonly services: RunServices;
  readonly engine: EngineContext;
  readonly worker: Worker;
  readonly ending: RunEnding;
  /** What is undone should the task end other than done, in the order of registration. */
  readonly compensations: Compensation[];
  /** What durable code asked for so far, in call order, so that a replay counts the same. */
  readonly counts: {
    children: number;
    /** Calls of each worker. */
    readonly calls: Map<string, number>;
    modelCalls: number;
    compensations: number;
  };
  /** The answers so far that came from another model than the first of its chain, as they were delivered. */
  readonly standIns: StandIn[];
  /** Calls that were given a degraded output, and why it was. */
  readonly degradedCalls: string[];
  /** What the outputs of other tasks were worth that this run has been given, in its input or by calls, as far as they were not verified. */
  readonly doubts: Set<Doubt>;
}
