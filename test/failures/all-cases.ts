import type { FailureCase } from "./case.ts";
import { answerCases } from "./cases/answer.ts";
import { approvalCases } from "./cases/approval.ts";
import { budgetCases } from "./cases/budget.ts";
import { calleeCases } from "./cases/callee.ts";
import { chainCases } from "./cases/chain.ts";
import { clockCases } from "./cases/clock.ts";
import { clusterCases } from "./cases/cluster.ts";
import { compensationCases } from "./cases/compensation.ts";
import { humanCases } from "./cases/human.ts";
import { limiterCases } from "./cases/limiter.ts";
import { mcpCases } from "./cases/mcp.ts";
import { modelCases } from "./cases/model.ts";
import { processCases } from "./cases/process.ts";
import { storeCases } from "./cases/store.ts";
import { streamCases } from "./cases/stream.ts";
import { toolCases } from "./cases/tool.ts";

/** Every fault of the table, in its order. */
export const allCases: readonly FailureCase[] = [...modelCases, ...streamCases, ...answerCases, ...toolCases, ...mcpCases, ...processCases, ...storeCases, ...clockCases, ...budgetCases, ...humanCases, ...approvalCases, ...chainCases, ...limiterCases, ...compensationCases, ...calleeCases, ...clusterCases];
