import { afterEach, describe, expect, it } from "vitest";
import { LonghaulError } from "../base/error.ts";
import { cron, every } from "../agent/trigger-definition.ts";
import type { Scheduler } from "./scheduler.ts";
import { agentWith, minute, queueFull, second, TriggerWorld } from "./trigger-world.testsuite.ts";

const schedulers: Scheduler[] = [];
afterEach(async () => {
  await Promise.all(schedulers.splice(0).map((scheduler) => scheduler.close()));
});

async function open(world: TriggerWorld, ...agents: readonly ReturnType<typeof agentWith>[]): Promise<Scheduler> {
  const scheduler = await world.open(...agents);
  schedulers.push(scheduler);
  return scheduler;
}

const id = "research/every:15m";

describe("a scheduled firing", () => {
  it("starts a task with its input, its own key and a receipt in the same commit", async () => {
    const world = new TriggerWorld();
    const startMs = world.time.now();
    await open(world, agentWith("research", every("15m", { input: ({ dueAtMs }) => ({ dueAtMs }) })));
    await world.time.advance(15 * minute);
    const dueAtMs = startMs + 15 * minute;
    expect(world.tasks).toEqual([{ id: "task_1", agent: "research", input: { dueAtMs }, key: `trigger:${dueAtMs}:${id}`, source: `trigger ${id}`, atMs: dueAtMs }]);
    expect(world.receipts()).toEqual([
      expect.objectContaining({ event_type: "trigger", agent_id: "research", task_id: "task_1", result: "ran", team: "team", timestamp: new Date(dueAtMs).toISOString(), data: { triggerId: id, dueAtMs } }),
    ]);
    expect(world.states.get(id)).toEqual({ nextAtMs: dueAtMs + 15 * minute, lastFiredAtMs: dueAtMs, lastTaskId: "task_1", turn: 0, startedFor: null, cursor: null });
  });

  // SCENARIOS: paperclip #6955, a tick longer than its interval queued 116 more.
  it("is coalesced while the task of the one before is open", async () => {
    const world = new TriggerWorld();
    world.afterStart = ({ task }) => void world.openTasks.add(task.id);
    await open(world, agentWith("research", every("15m")));
    await world.time.advance(45 * minute);
    expect(world.results()).toEqual(["ran", "coalesced", "coalesced"]);
    expect(world.receipts().map(({ task_id }) => task_id)).toEqual(["task_1", "task_1", "task_1"]);
    world.openTasks.clear();
    await world.time.advance(15 * minute);
    expect(world.results()).toEqual(["ran", "coalesced", "coalesced", "ran"]);
  });

  it("is skipped with a receipt when `if` sees no work, and makes no input", async () => {
    const world = new TriggerWorld();
    let inputs = 0;
    await open(world, agentWith("research", every("15m", { if: () => false, input: () => ++inputs })));
    await world.time.advance(30 * minute);
    expect(world.results()).toEqual(["skipped(no-work)", "skipped(no-work)"]);
    expect({ inputs, tasks: world.tasks.length }).toEqual({ inputs: 0, tasks: 0 });
  });

  it.each(["if", "input"] as const)("is skipped with an error record when `%s` throws, and the next one is not affected", async (part) => {
    const world = new TriggerWorld();
    let calls = 0;
    const body = (): boolean => {
      if (++calls === 1) throw new Error("crm is down");
      return true;
    };
    await open(world, agentWith("research", every("15m", { [part]: body })));
    await world.time.advance(30 * minute);
    expect(world.results()).toEqual(["skipped(error: crm is down)", "ran"]);
    expect(world.records.filter(({ event_type }) => event_type === "error")).toEqual([expect.objectContaining({ agent_id: "research", result: "error", reason: "crm is down" })]);
  });

  it("is skipped when `if` takes longer than 60 s, and holds up nobody", async () => {
    const world = new TriggerWorld();
    await open(world, agentWith("slow", every("1m", { if: () => new Promise<boolean>(() => undefined) })), agentWith("quick", every("10s")));
    await world.time.advance(2 * minute);
    expect(world.results("quick/every:10s")).toHaveLength(12);
    expect(world.results("slow/every:1m")[0]).toMatch(/^skipped\(error: `if` of slow\/every:1m took longer than 60 s/);
  });

  it("is skipped when its input is not JSON, refused by the agent, or the queue is full", async () => {
    const world = new TriggerWorld();
    const refusals = [new LonghaulError("TASK_INPUT_INVALID", "company: required"), queueFull()];
    world.beforeStart = () => {
      const refusal = refusals.shift();
      if (refusal !== undefined) throw refusal;
    };
    let calls = 0;
    await open(world, agentWith("research", every("15m", { input: () => (calls++ === 0 ? { no: 1n } : {}) })));
    await world.time.advance(60 * minute);
    expect(world.results()).toEqual([expect.stringContaining("skipped(error: The input of research/every:15m cannot be stored"), "skipped(error: company: required)", "skipped(queue-full)", "ran"]);
  });
});

describe("a firing whose team cannot be reached", () => {
  it("is tried again with the same key until it is made, once", async () => {
    const world = new TriggerWorld();
    const keys: string[] = [];
    let failures = 4;
    world.beforeStart = ({ task }) => {
      keys.push(task.key);
      if (failures-- > 0) throw new Error("disk is busy");
    };
    await open(world, agentWith("research", every("15m")));
    await world.time.advance(16 * minute);
    expect(world.results()).toEqual(["ran"]);
    expect(new Set(keys).size).toBe(1);
    expect(keys).toHaveLength(5);
    expect(world.errors).toHaveLength(4);
    await world.time.advance(14 * minute);
    expect(world.results()).toEqual(["ran", "ran"]);
  });

  // SCENARIOS S41, S45: an answer that got lost must neither double the task nor stop the trigger.
  it("has one task and one receipt when the answer to a committed start was lost", async () => {
    const world = new TriggerWorld();
    let isLost = true;
    world.afterStart = () => {
      if (!isLost) return;
      isLost = false;
      throw new Error("connection reset");
    };
    await open(world, agentWith("research", every("15m")));
    await world.time.advance(29 * minute);
    expect(world.tasks).toHaveLength(1);
    expect(world.results()).toEqual(["ran"]);
    expect(world.states.get(id)).toMatchObject({ lastTaskId: "task_1" });
  });
});

describe("a firing whose task exists", () => {
  it("leaves its receipt and goes on: a process died between the start and the receipt", async () => {
    const world = new TriggerWorld();
    const dueAtMs = world.time.now() + 15 * minute;
    world.claim(`trigger:${dueAtMs}:${id}`, "task_earlier");
    world.openTasks.add("task_earlier");
    await open(world, agentWith("research", every("15m")));
    await world.time.advance(30 * minute);
    expect(world.tasks).toEqual([]);
    expect(world.receipts().map(({ result, task_id }) => [result, task_id])).toEqual([["ran", "task_earlier"], ["coalesced", "task_earlier"]]);
    expect(world.states.get(id)).toMatchObject({ lastTaskId: "task_earlier", nextAtMs: dueAtMs + 30 * minute });
  });
});

describe("a trigger at start", () => {
  it("fires once per process start, and then by its interval", async () => {
    const world = new TriggerWorld();
    const startMs = world.time.now();
    const agent = agentWith("research", every("15m", { atStart: true }));
    const first = await open(world, agent);
    await world.time.advance(16 * minute);
    expect(world.tasks.map(({ key, atMs }) => [key, atMs - startMs])).toEqual([
      [`trigger:${startMs}:start:${id}`, 0],
      [`trigger:${startMs + 15 * minute}:${id}`, 15 * minute],
    ]);
    await first.close();
    const restartMs = world.time.now();
    await open(world, agent);
    await world.time.advance(minute);
    expect(world.tasks.at(-1)).toMatchObject({ key: `trigger:${restartMs}:start:${id}` });
    expect(world.tasks).toHaveLength(3);
  });

  // SCENARIOS S46: a job that restarts the process was caught up at each start, for ever.
  it("is coalesced when a task of an earlier process is open", async () => {
    const world = new TriggerWorld();
    world.afterStart = ({ task }) => void world.openTasks.add(task.id);
    const agent = agentWith("research", every("15m", { atStart: true }));
    for (let start = 0; start < 3; start++) {
      const scheduler = await open(world, agent);
      await world.time.advance(second);
      await scheduler.close();
    }
    expect(world.results()).toEqual(["ran", "coalesced", "coalesced"]);
  });

  it("makes up a missed firing by the same task", async () => {
    const world = new TriggerWorld();
    const agent = agentWith("research", every("15m", { atStart: true }));
    const first = await open(world, agent);
    await world.time.advance(second);
    await first.close();
    await world.time.advance(40 * minute);
    await open(world, agent);
    await world.time.advance(second);
    expect(world.results()).toEqual(["ran", "ran"]);
  });
});

describe("the scheduler", () => {
  it("has one timer, for the earliest firing, and none after it was closed", async () => {
    const world = new TriggerWorld();
    const scheduler = await open(world, agentWith("a", every("15m"), cron("0 9 * * *")), agentWith("b", every("5m")));
    expect(world.time.pendingAtMs).toEqual([world.time.now() + 5 * minute]);
    expect(scheduler.nextAtMs).toBe(world.time.now() + 5 * minute);
    await scheduler.close();
    expect(world.time.pendingAtMs).toEqual([]);
    await world.time.advance(60 * minute);
    expect(world.receipts()).toEqual([]);
    expect(await scheduler.tick()).toEqual([]);
  });

  it("tells by tick what fired", async () => {
    const world = new TriggerWorld();
    const scheduler = await open(world, agentWith("a", every("15m")), agentWith("b", every("10m")));
    world.skewMs = 12 * minute;
    expect(await scheduler.tick()).toEqual([{ triggerId: "b/every:10m", dueAtMs: world.time.now() + 10 * minute, result: { result: "ran", taskId: "task_1" } }]);
    expect(await scheduler.tick()).toEqual([]);
  });

  it("makes a firing that was under way at close again after the next start", async () => {
    const world = new TriggerWorld();
    let isHanging = true;
    const agent = agentWith("research", every("15m", { if: () => (isHanging ? new Promise<boolean>(() => undefined) : true) }));
    const first = await open(world, agent);
    await world.time.advance(15 * minute);
    await first.close();
    expect(world.receipts()).toEqual([]);
    isHanging = false;
    await open(world, agent);
    await world.time.advance(second);
    expect(world.results()).toEqual(["ran"]);
    expect(world.errors).toEqual([]);
  });
});
