import { expect, it } from "vitest";
import { integerBetween, type Random, seededRandom } from "../base/random.ts";
import type { Engine } from "../engine/engine.ts";
import type { Task, TaskEnd, TaskStatus } from "../record/task.ts";
import { createAgentTasksMirror, listAgentTasks } from "./agent-tasks.ts";

/** Tasks as an engine keeps them, with a count of what was asked. */
function world() {
  const tasks = new Map<string, Task>();
  const asked = { lists: 0, gets: 0 };
  const engine: Pick<Engine, "list" | "get"> = {
    list: async ({ agent, statuses = [], limit = 100, first = "newest" }) => {
      asked.lists++;
      const found = [...tasks.values()].filter((task) => task.agent === agent && statuses.includes(task.status));
      return (first === "newest" ? found.toReversed() : found).slice(0, limit);
    },
    get: async (id) => {
      asked.gets++;
      return tasks.get(id) ?? null;
    },
  };
  return { tasks, asked, engine };
}

const ends: Readonly<Partial<Record<TaskStatus, TaskEnd>>> = {
  done: { status: "done", outcome: "unverified", output: null, evidence: null, reason: null },
  dead: { status: "dead", reason: "failed", failure: { name: "Error", message: "no", code: null, retry: "never", details: {}, cause: null }, evidence: null },
  canceled: { status: "canceled", reason: "enough" },
};
const nextOf: Readonly<Record<TaskStatus, readonly TaskStatus[]>> = {
  queued: ["running", "canceled"],
  running: ["done", "done", "dead", "waiting", "queued"],
  waiting: ["queued"],
  done: [],
  dead: ["queued"],
  canceled: ["queued"],
};

function makeTask(id: string, atMs: number): Task {
  return {
    id, agent: "a", input: null, key: null, priority: 0, notBeforeAtMs: atMs, deadlineAtMs: atMs + 1_000_000, depth: 0, source: "test", doubts: [], status: "queued", waitingReason: null,
    createdAtMs: atMs, startedAtMs: null, endedAtMs: null, statusSinceMs: atMs, openSinceMs: atMs, runId: null, parentRunId: null, recoveries: 0, end: null,
  };
}

function moveSome(tasks: Map<string, Task>, random: Random, nowMs: number): Task | null {
  const all = [...tasks.values()];
  const task = all[integerBetween(random, 0, all.length - 1)];
  const choices = task === undefined ? [] : nextOf[task.status];
  const status = choices[integerBetween(random, 0, choices.length - 1)];
  if (task === undefined || status === undefined) return null;
  const end = ends[status] ?? null;
  const moved: Task = { ...task, status, statusSinceMs: nowMs, waitingReason: status === "waiting" ? "timer" : null, end, endedAtMs: end === null ? null : nowMs };
  tasks.set(task.id, moved);
  return moved;
}

it("the mirror shows what a list would show, whatever happens to the tasks, and reads only what changed", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const random = seededRandom(`agent-tasks-${seed}`);
    const { tasks, asked, engine } = world();
    const mirror = createAgentTasksMirror(engine);
    const list = listAgentTasks(engine);
    let changes = 0;
    for (let nowMs = 1; nowMs <= 400; nowMs++) {
      const task = random.next() < 0.2 ? makeTask(`t${nowMs}`, nowMs) : moveSome(tasks, random, nowMs);
      if (task === null) continue;
      tasks.set(task.id, task);
      mirror.note(task);
      changes++;
      if (random.next() < 0.7) continue;
      expect(await mirror.of("a"), `SEED=${seed} at ${nowMs}`).toEqual(await list("a"));
    }
    const before = { ...asked };
    const [first, second] = await Promise.all([mirror.of("a"), mirror.of("a")]);

    expect(second).toBe(first);
    expect(asked.lists).toBe(before.lists);
    expect(before.gets).toBeLessThanOrEqual(changes);
  }
});

it("what was committed is taken as it was noted, and what may have been rolled back is read", async () => {
  const { tasks, asked, engine } = world();
  tasks.set("t1", makeTask("t1", 1));
  const mirror = createAgentTasksMirror(engine);
  await mirror.of("a");
  const done: Task = { ...makeTask("t1", 1), status: "done", end: ends.done ?? null, endedAtMs: 5 };
  mirror.note(done);

  expect(mirror.hasEnded(done)).toBe(false);
  // It was rolled back: the file still holds it as it was.
  expect(await mirror.of("a")).toMatchObject({ queued: [{ id: "t1" }], ended: [] });
  expect(asked.gets).toBe(1);

  mirror.note(done);
  mirror.noteCommitted(done);
  tasks.set("t1", done);
  expect(mirror.hasEnded(done)).toBe(true);
  expect(await mirror.of("a")).toMatchObject({ queued: [], ended: [{ id: "t1" }] });
  expect(mirror.hasEnded(done)).toBe(true);
  expect(asked.gets).toBe(1);

  // Another change of it is under way: what was committed before says nothing any more.
  mirror.note({ ...done, status: "queued", end: null, endedAtMs: null });
  mirror.noteCommitted(done);
  expect(mirror.hasEnded(done)).toBe(false);
  await mirror.of("a");
  expect(asked.gets).toBe(2);
});

it("an agent with more open tasks than are looked at is listed anew", async () => {
  const { tasks, asked, engine } = world();
  for (let index = 0; index < 1_500; index++) tasks.set(`t${index}`, makeTask(`t${index}`, index));
  const mirror = createAgentTasksMirror(engine);
  await mirror.of("a");
  const task = { ...makeTask("t0", 0), status: "running" } as const;
  tasks.set("t0", task);
  mirror.note(task);

  const { queued, running } = await mirror.of("a");

  expect(asked).toEqual({ lists: 8, gets: 0 });
  expect([queued.length, running.length, queued[0]?.id]).toEqual([1_000, 1, "t1"]);
});

it("after a read that failed everything is read again", async () => {
  const { tasks, engine } = world();
  tasks.set("t1", makeTask("t1", 1));
  let isBroken = false;
  const mirror = createAgentTasksMirror({
    list: engine.list,
    get: async (id) => {
      if (isBroken) throw new Error("closed");
      return engine.get(id);
    },
  });
  await mirror.of("a");
  const ended: Task = { ...makeTask("t1", 1), status: "done", end: ends.done ?? null, endedAtMs: 5 };
  tasks.set("t1", ended);
  mirror.note(ended);
  isBroken = true;
  await expect(mirror.of("a")).rejects.toThrow("closed");
  isBroken = false;

  expect(await mirror.of("a")).toMatchObject({ queued: [], ended: [{ id: "t1" }] });
});

it("says of no task that it has ended while it reads what became of it", async () => {
  const { tasks, engine } = world();
  let reading: Promise<void> | null = null;
  const mirror = createAgentTasksMirror({ ...engine, get: async (id) => { await reading; return engine.get(id); } });
  const enter = (task: Task): Task => {
    tasks.set(task.id, task);
    mirror.note(task);
    return task;
  };
  const dead = enter({ ...makeTask("t1", 1), status: "dead", endedAtMs: 5, end: ends.dead ?? null });
  enter(makeTask("t2", 2));
  await mirror.of("a");
  expect(mirror.hasEnded(dead)).toBe(true);

  const restarted = enter(makeTask("t1", 1));
  mirror.noteCommitted(restarted);
  enter({ ...makeTask("t2", 2), status: "running" });
  const { promise, resolve } = Promise.withResolvers<undefined>();
  reading = promise;
  const judging = mirror.of("a");

  expect(mirror.hasEnded(restarted)).toBe(false);
  resolve(undefined);
  await judging;
  expect(mirror.hasEnded(restarted)).toBe(false);
});
