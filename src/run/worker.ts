import { type Duration, parseDuration } from "../base/duration.ts";
import type { AgentDefinition, AgentSpec, FlowDefinition } from "../agent/agent-definition.ts";
import { defaultActiveMsMax, defaultDeadlineMs, defaultVerifyTimeoutMs } from "../agent/limit-defaults.ts";
import type { Schema } from "../base/schema.ts";
import { defaultModelTimeouts, type ModelTimeouts } from "../model/model.ts";

export interface WorkerLimits {
  readonly concurrency: number;
  readonly queueMax: number;
  readonly turnsMax: number;
  readonly toolCallsMax: number;
  readonly outputTokensMax: number;
  readonly modelTimeouts: ModelTimeouts;
  readonly verifyTimeoutMs: number;
  readonly activeMsMax: number;
  readonly deadlineMs: number;
  readonly fanOutMax: number;
  readonly verifyAttempts: number;
}

export interface WorkerBudget {
  readonly perTaskMicroUsd: number;
  readonly perDayMicroUsd: number;
}

/** An agent or a flow with every default filled in. */
export interface Worker {
  readonly kind: "agent" | "flow";
  readonly name: string;
  readonly version: string;
  readonly spec: AgentSpec<Schema, Schema>;
  readonly limits: WorkerLimits;
  readonly budget: WorkerBudget;
  readonly progressWithinMs: number;
}

/** The defaults of DESIGN section 11 that this part owns; docs/reference/options.md lists them. */
export const workerDefaults = {
  agentConcurrency: 1,
  flowConcurrency: 10,
  queueMax: 10_000,
  turnsMax: 25,
  toolCallsMax: 50,
  outputTokensMax: 4_096,
  verifyTimeoutMs: defaultVerifyTimeoutMs,
  activeMsMax: defaultActiveMsMax,
  deadlineMs: defaultDeadlineMs,
  fanOutMax: 50,
  verifyAttempts: 2,
  perTaskMicroUsd: 1_000_000,
  perDayMicroUsd: 10_000_000,
  progressWithinMs: 86_400_000,
} as const;

/** How deep tasks may call each other. */
export const depthMax = 5;

/** Fills in the defaults of a validated definition. */
export function toWorker(definition: AgentDefinition | FlowDefinition, version: string): Worker {
  const { kind, name } = definition;
  const spec = definition.spec as AgentSpec<Schema, Schema>;
  const { limits = {}, budget = {}, expect = {} } = spec;
  return {
    kind,
    name,
    version,
    spec,
    limits: {
      concurrency: limits.concurrency ?? (kind === "flow" ? workerDefaults.flowConcurrency : workerDefaults.agentConcurrency),
      queueMax: limits.queueMax ?? workerDefaults.queueMax,
      turnsMax: limits.turnsMax ?? workerDefaults.turnsMax,
      toolCallsMax: limits.toolCallsMax ?? workerDefaults.toolCallsMax,
      outputTokensMax: limits.outputTokensMax ?? workerDefaults.outputTokensMax,
      modelTimeouts: {
        firstChunkMs: toMs(limits.firstChunkTimeout, `${name}: limits.firstChunkTimeout`) ?? defaultModelTimeouts.firstChunkMs,
        betweenChunksMs: toMs(limits.betweenChunksTimeout, `${name}: limits.betweenChunksTimeout`) ?? defaultModelTimeouts.betweenChunksMs,
        totalMs: toMs(limits.modelCallTimeout, `${name}: limits.modelCallTimeout`) ?? defaultModelTimeouts.totalMs,
      },
      verifyTimeoutMs: toMs(limits.verifyTimeout, `${name}: limits.verifyTimeout`) ?? workerDefaults.verifyTimeoutMs,
      activeMsMax: toMs(limits.activeTime, `${name}: limits.activeTime`) ?? workerDefaults.activeMsMax,
      deadlineMs: toMs(limits.deadline, `${name}: limits.deadline`) ?? workerDefaults.deadlineMs,
      fanOutMax: limits.fanOutMax ?? workerDefaults.fanOutMax,
      verifyAttempts: spec.verifyAttempts ?? workerDefaults.verifyAttempts,
    },
    budget: {
      perTaskMicroUsd: budget.perTask?.microUsd ?? workerDefaults.perTaskMicroUsd,
      perDayMicroUsd: budget.perDay?.microUsd ?? workerDefaults.perDayMicroUsd,
    },
    progressWithinMs: toMs(expect.progressWithin, `${name}: expect.progressWithin`) ?? workerDefaults.progressWithinMs,
  };
}

function toMs(duration: Duration | undefined, option: string): number | null {
  return duration === undefined ? null : parseDuration(duration, option);
}
