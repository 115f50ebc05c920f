import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { EngineRows } from "./engine-rows.testsuite.ts";
import { getStates, getTask, listReadyAgents } from "./tasks.ts";

let rows: EngineRows;

beforeAll(async () => {
  rows = await EngineRows.open();
});
afterAll(() => rows.db.close());
beforeEach(() => rows.empty());

it("knows the agents of which a task could begin", async () => {
  for (const agent of ["c", "a", "c", "b", "a"]) await rows.make({ agent, status: "queued" });
  await rows.make({ agent: "running" });
  await rows.db.exec(`UPDATE lh_task SET not_before_at_ms = 1000 WHERE agent = 'b'`);

  expect(await listReadyAgents(rows.db, 999)).toEqual(["a", "c"]);
  expect(await listReadyAgents(rows.db, 1_000)).toEqual(["a", "b", "c"]);
});

it("says how tasks stand without their inputs", async () => {
  const [running, other] = [await rows.make(), await rows.make()];
  await rows.db.run("UPDATE lh_task SET input = 'this is not JSON' WHERE id = $1", running.id);
  await rows.db.run(`UPDATE lh_task SET status = 'canceled', ended_at_ms = 7, ended_as = '{"status":"canceled","reason":"r"}' WHERE id = $1`, other.id);

  const states = new Map((await getStates(rows.db, [running.id, other.id, "unknown"])).map((state) => [state.id, state]));

  expect([...states.keys()].toSorted()).toEqual([running.id, other.id].toSorted());
  expect(states.get(running.id)).toEqual(running.task);
  expect(states.get(other.id)).toEqual(await getTask(rows.db, other.id));
});
