import { expect, test } from "vitest";
import { measure } from "./measure.ts";
import type { Delivery } from "./outside.ts";
import type { AblationPlan, ArrivingTask } from "./plan.ts";
import type { Fate } from "./side.ts";
import type { StoryEnd } from "./story-message.ts";

const minuteMs = 60_000;
const startAtMs = Date.UTC(2026, 0, 1);

function task(id: string, atMinute: number, agent = "a"): ArrivingTask {
  return { id, agent, atMs: atMinute * minuteMs, fact: `fact of ${id}`, isPoison: false };
}

function plan(tasks: readonly ArrivingTask[], windows: AblationPlan["windows"] = []): AblationPlan {
  return { seed: 1, horizonMs: 120 * minuteMs, agents: ["a", "b"], tasks, windows, deaths: [], clockJumps: [] };
}

function delivery(taskId: string, atMinute: number, receipt: string, value = `fact of ${taskId}`): Delivery {
  return { taskId, value, receipt, atMs: atMinute * minuteMs, reference: null };
}

function end(deliveries: readonly Delivery[], fates: Readonly<Record<string, Fate>>, more: Partial<StoryEnd> = {}): StoryEnd {
  return { deliveries, receipts: [], startAtMs, fates: Object.entries(fates), over: [], deaths: [], interventions: [], ...more };
}

const done = (answer: string): Fate => ({ fate: "done", answer });

test("a task that is held for done, or of which nothing is known, and never came to the sink is lost; one that waits is not", async () => {
  const tasks = [task("task-1", 0), task("task-2", 0), task("task-3", 0), task("task-4", 0)];

  const { lost, accomplished, unfinished } = await measure(plan(tasks), end([delivery("task-1", 1, "receipt-1")], { "task-1": done("receipt-1"), "task-2": done(""), "task-4": { fate: "open", reason: "waiting(retry)" } }));

  expect(lost).toEqual(["task-2", "task-3"]);
  expect(accomplished).toBe(1);
  expect(unfinished).toEqual({ "open: waiting(retry)": 1 });
});

test("what the sink got twice is duplicated; an answer counts as right only with the receipt of a delivery of the fact", async () => {
  const tasks = [task("task-1", 0), task("task-2", 0), task("task-3", 0)];
  const deliveries = [delivery("task-1", 1, "receipt-1"), delivery("task-1", 2, "receipt-2"), delivery("task-2", 1, "receipt-3", "something else"), delivery("task-3", 1, "receipt-12")];

  const { duplicated, wrong, lost } = await measure(plan(tasks), end(deliveries, { "task-1": done("Delivered: receipt-2."), "task-2": done("receipt-3"), "task-3": done("receipt-1") }));

  expect(duplicated).toBe(1);
  expect(wrong, "two answers, and a delivery of something else").toBe(3);
  expect(lost).toEqual(["task-2"]);
});

test("downtime is the stretches of work without anything accomplished, less the time of windows where it could not be avoided", async () => {
  const tasks = [task("task-1", 0), task("task-2", 10), task("task-3", 10, "b"), task("task-4", 60)];
  const deliveries = [delivery("task-1", 1, "receipt-1"), delivery("task-2", 14, "receipt-2"), delivery("task-3", 40, "receipt-3")];
  const outage = { kind: "outage", fromMs: 20 * minuteMs, untilMs: 32 * minuteMs } as const;

  const { team, strictTeam, agents, back } = await measure(plan(tasks, [outage]), end(deliveries, {}));

  // From 14 to 40, and from 60 to the end, which is at 120. From 10 to 14 is too short.
  expect(team).toEqual({ wholeMs: 86 * minuteMs, avoidableMs: 74 * minuteMs });
  expect(strictTeam.wholeMs).toBe(90 * minuteMs);
  // Agent b had work from 10 to 40.
  expect(agents).toEqual({ wholeMs: 90 * minuteMs, avoidableMs: 78 * minuteMs });
  expect(back).toEqual([{ kind: "outage", ms: 8 * minuteMs }]);
});

test("a task that a side holds for over is no work any more, and one that kills its process never was", async () => {
  const poison = { ...task("task-2", 0), isPoison: true };

  const { team } = await measure(plan([task("task-1", 0), poison]), end([], {}, { over: [["task-1", 30 * minuteMs]] }));

  expect(team.wholeMs).toBe(30 * minuteMs);
});

test("dollars are the tokens of every call, and calls while the provider could not answer are counted by when they came", async () => {
  const receipt = { number: 1, path: "/v1/messages", wire: "anthropic-messages", model: "m", idempotencyKey: null, status: 200, inputTokens: 1_000_000, outputTokens: 1_000_000, fault: null, outcome: "completed" } as const;
  const storm = { kind: "storm", fromMs: minuteMs, untilMs: 2 * minuteMs, retryAfterSeconds: 60 } as const;

  const measured = await measure(plan([], [storm]), end([], {}, { receipts: [{ ...receipt, atMs: startAtMs + minuteMs }, { ...receipt, atMs: startAtMs + 2 * minuteMs }] }));

  expect(measured).toMatchObject({ microUsd: 12_000_000, calls: 2, callsWhileDown: 1 });
});
