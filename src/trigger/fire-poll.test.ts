import { afterEach, describe, expect, it } from "vitest";
import type { JsonObject } from "../base/json.ts";
import { poll, type PollTrigger } from "../agent/trigger-definition.ts";
import { pollItemsMax } from "./fire-poll.ts";
import type { Scheduler } from "./scheduler.ts";
import { agentWith, minute, queueFull, TriggerWorld } from "./trigger-world.testsuite.ts";

const schedulers: Scheduler[] = [];
afterEach(async () => {
  await Promise.all(schedulers.splice(0).map((scheduler) => scheduler.close()));
});

async function open(world: TriggerWorld, trigger: PollTrigger<unknown>): Promise<Scheduler> {
  const scheduler = await world.open(agentWith("intake", trigger));
  schedulers.push(scheduler);
  return scheduler;
}

const id = "intake/poll:5m";
type Page = { readonly items: readonly string[]; readonly cursor?: JsonObject };

/** A poll of pages; the last page comes again and again. `asked` gets the cursors. */
function pages(asked: (JsonObject | null)[], ...list: readonly Page[]): PollTrigger<unknown> {
  return poll("5m", {
    poll: async (cursor) => {
      asked.push(cursor);
      return list[Math.min(asked.length, list.length) - 1] ?? { items: [] };
    },
    key: (item: string) => item,
    input: (item) => ({ item }),
  });
}

const roundOf = (world: TriggerWorld, index: number): unknown => world.receipts(id).filter(({ data }) => "items" in data)[index]?.data;

describe("a poll", () => {
  it("starts one task for each new item, keeps the cursor, and says what it did", async () => {
    const world = new TriggerWorld();
    const asked: (JsonObject | null)[] = [];
    await open(world, pages(asked, { items: ["x", "y"], cursor: { page: 1 } }, { items: ["y", "z"], cursor: { page: 2 } }, { items: [] }));
    await world.time.advance(15 * minute);
    expect(asked).toEqual([null, { page: 1 }, { page: 2 }]);
    expect(world.tasks.map(({ key, input }) => [key, input])).toEqual(["x", "y", "z"].map((item) => [`trigger:${id}:item:${item}`, { item }]));
    expect(roundOf(world, 0)).toMatchObject({ items: 2, started: 2, known: 0, left: 0 });
    expect(roundOf(world, 1)).toMatchObject({ items: 2, started: 1, known: 1, left: 0 });
    expect(world.results()).toEqual(["ran", "ran", "ran", "ran", "ran", "skipped(no-work)"]);
    expect(world.receipts().slice(0, 2).map(({ task_id, data }) => [task_id, data["item"]])).toEqual([["task_1", "x"], ["task_2", "y"]]);
  });

  it("is never coalesced: open tasks of earlier items do not hold up new ones", async () => {
    const world = new TriggerWorld();
    world.afterStart = ({ task }) => void world.openTasks.add(task.id);
    await open(world, pages([], { items: ["x"] }, { items: ["y"] }));
    await world.time.advance(10 * minute);
    expect(world.tasks).toHaveLength(2);
  });

  it("asks with the old cursor after a process died in the middle of a round, and starts nothing twice", async () => {
    const world = new TriggerWorld();
    const asked: (JsonObject | null)[] = [];
    const page = { items: ["x", "y", "z"], cursor: { page: 1 } };
    const trigger = pages(asked, page);
    world.beforeStart = () => {
      if (world.tasks.length === 2) throw new Error("killed");
    };
    const first = await open(world, trigger);
    await world.time.advance(5 * minute);
    await first.close();
    world.beforeStart = () => undefined;
    await open(world, trigger);
    await world.time.advance(minute);
    expect(asked).toEqual([null, null]);
    expect(world.tasks.map(({ key }) => key.at(-1))).toEqual(["x", "y", "z"]);
    expect(roundOf(world, 0)).toMatchObject({ started: 1, known: 2 });
    expect(world.states.get(id)).toMatchObject({ cursor: { page: 1 } });
  });

  it("starts at most a thousand tasks a round, says how many are left, and keeps the cursor until all are started", async () => {
    const world = new TriggerWorld();
    const asked: (JsonObject | null)[] = [];
    const items = Array.from({ length: pollItemsMax + 20 }, (_, index) => `item-${index}`);
    await open(world, pages(asked, { items, cursor: { page: 1 } }));
    await world.time.advance(5 * minute);
    expect(roundOf(world, 0)).toMatchObject({ started: pollItemsMax, known: 0, left: 20 });
    expect(world.states.get(id)).toMatchObject({ cursor: null });
    await world.time.advance(5 * minute);
    expect(roundOf(world, 1)).toMatchObject({ started: 20, known: pollItemsMax, left: 0 });
    expect(world.states.get(id)).toMatchObject({ cursor: { page: 1 } });
  });

  // SCENARIOS S47: deferred, skipped and failed are three things.
  it("is deferred when the queue is full, and takes the rest in the next round", async () => {
    const world = new TriggerWorld();
    let isFull = true;
    world.beforeStart = ({ task }) => {
      if (isFull && task.key.endsWith("y")) throw queueFull();
    };
    await open(world, pages([], { items: ["x", "y", "z"], cursor: { page: 1 } }));
    await world.time.advance(5 * minute);
    expect(world.results().at(-1)).toBe("deferred(queue-full, 2 items left)");
    isFull = false;
    await world.time.advance(5 * minute);
    expect(world.tasks.map(({ key }) => key.at(-1))).toEqual(["x", "y", "z"]);
  });

  it("leaves a receipt and an error record for an item that cannot be made into a task, and takes the others", async () => {
    const world = new TriggerWorld();
    const trigger = poll("5m", {
      poll: async () => ({ items: ["good", "bad", ""] }),
      key: (item) => item,
      input: (item) => {
        if (item === "bad") throw new Error("no address");
        return { item };
      },
    });
    await open(world, trigger);
    await world.time.advance(5 * minute);
    expect(world.tasks).toHaveLength(1);
    expect(roundOf(world, 0)).toMatchObject({ items: 3, started: 1, refused: 2, left: 0 });
    expect(world.results().filter((result) => result?.startsWith("skipped"))).toEqual(["skipped(error: no address)", expect.stringContaining("returned \"\"")]);
    expect(world.records.filter(({ event_type }) => event_type === "error")).toHaveLength(2);
  });

  it.each([
    ["throws", async () => Promise.reject(new Error("401 from the mailbox")), /^skipped\(error: 401 from the mailbox\)$/],
    ["hangs", () => new Promise<never>(() => undefined), /took longer than 60 s/],
    ["returns no items", async () => ({}) as { readonly items: readonly unknown[] }, /returned no list of items/],
    ["returns a cursor that cannot be stored", async () => ({ items: [], cursor: { at: 1n } as unknown as JsonObject }), /cannot be stored/],
  ])("is skipped with an error record when it %s, and asks again", async (_, body, expected) => {
    const world = new TriggerWorld();
    await open(world, poll("5m", { poll: body, key: String, input: () => null }));
    await world.time.advance(11.5 * minute);
    expect(world.results()).toEqual([expect.stringMatching(expected), expect.stringMatching(expected)]);
    expect(world.records.filter(({ event_type }) => event_type === "error")).toHaveLength(2);
  });

  it("tells what it asks with a signal that aborts when the team stops", async () => {
    const world = new TriggerWorld();
    let seen: AbortSignal | null = null;
    const scheduler = await open(world, poll("5m", { poll: (_, { signal }) => new Promise<never>(() => void (seen = signal)), key: String, input: () => null }));
    await world.time.advance(5 * minute);
    await scheduler.close();
    expect((seen as AbortSignal | null)?.aborted).toBe(true);
  });
});
