import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import type { NewTask } from "../../record/task.ts";
import { EngineRows } from "./engine-rows.testsuite.ts";
import { startTasks } from "./start-task.ts";
import { getTask, listTasks } from "./tasks.ts";

let rows: EngineRows;

beforeAll(async () => {
  rows = await EngineRows.open();
});
afterAll(() => rows.db.close());
beforeEach(() => rows.empty());

const newTask = (id: string, agent = "a", input: NewTask["input"] = id): NewTask => ({ id, agent, input, key: null, priority: 0, notBeforeAtMs: 0, deadlineAtMs: 1_000_000, depth: 0, source: "test" });
const start = async (tasks: readonly NewTask[], queueMax: (agent: string) => number = () => 100): Promise<readonly string[]> => (
  [...(await rows.writer.write((change) => startTasks(change, tasks.map((task) => ({ task })), queueMax))).values()].map(({ taskId }) => taskId)
);
const queued = async (): Promise<readonly string[]> => (await listTasks(rows.db, { statuses: ["queued"], first: "oldest" })).map(({ id }) => id);

it("starts tasks in the order in which they were asked for, long inputs and all", async () => {
  const long = "long ".repeat(2_000);

  expect(await start([newTask("t3"), newTask("t1", "b", long), newTask("t2")])).toEqual(["t3", "t1", "t2"]);

  expect(await queued()).toEqual(["t3", "t1", "t2"]);
  expect(await getTask(rows.db, "t1")).toMatchObject({ agent: "b", input: long, status: "queued" });
});

it("leaves out what is there already, and the second of two with one id", async () => {
  await start([newTask("t1")]);

  expect(await start([newTask("t1", "a", "other"), newTask("t2"), newTask("t2", "a", "other")])).toEqual(["t2"]);

  expect(await getTask(rows.db, "t1")).toMatchObject({ input: "t1" });
  expect(await getTask(rows.db, "t2")).toMatchObject({ input: "t2" });
});

it("leaves out those for which the queue of their agent has no room, and no others", async () => {
  await start([newTask("t1"), newTask("t2", "b")]);
  const room = (agent: string): number => (agent === "a" ? 3 : 100);

  expect(await start(["t3", "t4", "t5", "t6"].flatMap((id) => [newTask(id), newTask(`${id}b`, "b")]), room)).toEqual(["t3", "t3b", "t4", "t4b", "t5b", "t6b"]);
  expect(await start([newTask("t7"), newTask("t7b", "b")], room)).toEqual(["t7b"]);
});
