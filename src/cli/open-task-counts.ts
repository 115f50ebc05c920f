import type { OperatorView } from "../runtime/operator-view.ts";

/** How many open tasks an agent has in one status. */
export interface OpenTaskCount {
  readonly agent: string;
  readonly status: string;
  readonly tasks: number;
}

const countOpenTasksSql = "SELECT agent, status, count(*) AS tasks FROM lh_task WHERE status IN ('queued', 'running', 'waiting') GROUP BY agent, status";

/** Of all open tasks, however many there are; their inputs are not read. */
export async function countOpenTasks({ store }: Pick<OperatorView, "store">): Promise<readonly OpenTaskCount[]> {
  const { rows } = await store.query(countOpenTasksSql, { rowsMax: 10_000 });
  return rows.map(({ agent, status, tasks }) => ({ agent: String(agent), status: String(status), tasks: Number(tasks) }));
}
