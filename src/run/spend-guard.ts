import { orAborted } from "../base/abort.ts";
import { formatUsd } from "../base/money.ts";
import { judgeSpend, type SpendVerdict } from "../policy/spend-watch.ts";
import type { RecordFields } from "../record/log-record.ts";
import { deadError } from "./dead-error.ts";
import type { RunScope } from "./run-services.ts";

const warned = new WeakSet<RunScope>();

/**
 * Compares what the task has spent since it was started, without an accepted output, with what the agent's own tasks usually spend for one. The record of a warning, null without one: once
 * while the run is in memory. A store that fails holds nobody up. Called in the body of a model step. @throws {TASK_DEAD} looping, when it is far beyond that.
 */
export async function checkSpend(scope: RunScope, signal: AbortSignal): Promise<RecordFields | null> {
  const verdict = await orAborted(signal, async () => await judge(scope).catch(() => null));
  if (verdict === null) return null;
  const { what, unit, spent, percentile99, limit } = verdict;
  const data = { what, unit, spent, percentile99, limit };
  const text = unit === "microUsd" ? formatUsd : (tokens: number): string => `${tokens} tokens`;
  const message = `${scope.worker.name} has spent ${text(spent)} on this task without an accepted output; 99 of 100 of its tasks took at most ${text(percentile99)}.`;
  if (what === "end") {
    throw deadError("looping", `${message} It makes no further model call: the limit is ${text(limit)}. Look at the run with \`longhaul show ${scope.engine.task.id}\`; if the task is worth it, restart it: then it ends by its budget alone.`, data);
  }
  if (warned.has(scope)) return null;
  warned.add(scope);
  return { event_type: "decision", result: "spending", reason: message, data };
}

async function judge({ services, engine, worker }: RunScope): Promise<SpendVerdict | null> {
  const usual = await services.usualSpend(worker.name);
  if (usual === null) return null;
  const { id: taskId, startedAtMs } = engine.task;
  const [since, inAll] = await services.store.money.spentByTask([{ taskId, sinceMs: startedAtMs ?? 0 }, { taskId, sinceMs: 0 }]);
  if (since === undefined || inAll === undefined) return null;
  const verdict = judgeSpend({ microUsd: since.spentMicroUsd, tokens: since.tokens }, usual);
  // Whoever had it begin again after it had spent something knew what it costs.
  const isRestarted = inAll.spentMicroUsd > since.spentMicroUsd || inAll.tokens > since.tokens;
  return verdict?.what === "end" && isRestarted ? { ...verdict, what: "warn" } : verdict;
}
