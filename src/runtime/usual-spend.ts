import type { Clock } from "../base/clock.ts";
import type { Engine } from "../engine/engine.ts";
import { computeUsualSpend, type Spend, spendDefaults } from "../policy/spend-watch.ts";
import type { RunServices } from "../run/run-services.ts";
import type { MoneyLedger } from "../store/store.ts";

/** What an agent usually spends changes slowly. */
const lookAgainMs = 600_000;

/** Looks through what an agent's newest tasks with an output spent, at most every 10 min. */
export function createUsualSpend(clock: Clock, money: Pick<MoneyLedger, "spentByTask">, { list }: Pick<Engine, "list">): RunServices["usualSpend"] {
  const known = new Map<string, { readonly atMs: number; readonly usual: Promise<Spend | null> }>();
  const look = async (agent: string): Promise<Spend | null> => {
    const done = await list({ agent, statuses: ["done"], limit: spendDefaults.samplesMax, brief: true });
    if (done.length < spendDefaults.samplesMin) return null;
    const spent = await money.spentByTask(done.map(({ id, startedAtMs }) => ({ taskId: id, sinceMs: startedAtMs ?? 0 })));
    return computeUsualSpend(spent.map(({ spentMicroUsd, tokens }) => ({ microUsd: spentMicroUsd, tokens })));
  };
  return async (agent) => {
    const earlier = known.get(agent);
    const nowMs = clock.monotonicMs();
    if (earlier !== undefined && nowMs - earlier.atMs < lookAgainMs) return await earlier.usual;
    const usual = look(agent);
    usual.catch(() => known.delete(agent));
    known.set(agent, { atMs: nowMs, usual });
    return await usual;
  };
}
