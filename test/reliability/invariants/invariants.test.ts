import { describe, expect, test } from "vitest";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "../../fixture/disk-team.ts";
import { SqliteDatabase } from "../../../src/db/sqlite.ts";
import { databasePath } from "../disk-image.ts";
import { type FileState, readFileOf, type StoredRecord, type StoredReservation, type StoredTask } from "../file-state.ts";
import { tellStory } from "../story.ts";
import { steps } from "../teams/steps.ts";
import type { WorldEvent } from "../world.ts";
import { invariants } from "./all.ts";
import { findInstantViolations } from "./instant.ts";
import type { StoryFacts } from "./story-facts.ts";

const task: StoredTask = {
  id: "t1", agent: "a", key: "k", source: "client", status: "done", waitingReason: null, runId: "r1", recoveries: 0,
  end: { status: "done", outcome: "unverified", output: null, evidence: null, reason: null },
};
const told = (result: string): StoredRecord => ({ id: `e-${result}`, eventType: "task", taskId: "t1", runId: "r1", result, costMicroUsd: null, data: {} });
const receipt = (dueAtMs: number): StoredRecord => ({ id: `receipt:${dueAtMs}`, eventType: "trigger", taskId: null, runId: null, result: "coalesced", costMicroUsd: null, data: { triggerId: "a/every:5s", dueAtMs } });
const reservation: StoredReservation = { stepKey: "r1/model/t1/model/1", agent: "a", taskId: "t1", day: 1, state: "settled", amountMicroUsd: 100, countedMicroUsd: 40 };
const step = { runId: "r1", seq: 1, key: "r1/code/x/1", outcome: '{"ok":true,"value":1}', completedAtMs: 0 };

/** A small story in which everything is as it should be. */
const file: FileState = {
  tasks: [task],
  runs: [{ id: "r1", taskId: "t1" }],
  journal: [step, { ...step, seq: 2, key: "r1/code/transfer/1" }, { ...step, seq: 3, key: "r1/wait/go/1", outcome: '{"ok":true,"value":{"by":"timer"}}', completedAtMs: 5 }],
  keys: [{ key: "k", taskId: "t1" }],
  reservations: [reservation],
  taskMoney: [{ taskId: "t1", countedMicroUsd: 40 }],
  dayMoney: [{ agent: "a", day: 1, countedMicroUsd: 40 }],
  effects: [{ key: "r1/tool/mail/1", state: "completed" }],
  records: [told("queued"), told("running"), told("done(unverified)"), { ...told("success"), eventType: "model_call", costMicroUsd: 40 }, receipt(5_000), receipt(10_000)],
  userTables: { transfer: [{ run: "r1", amount: 3 }], account: [{ name: "shop", balance: 3 }, { name: "customer", balance: -3 }] },
  problems: [],
  digest: "",
};
const call = { session: 1, tool: "mail", effect: "once", key: "r1/tool/mail/1", input: "1" } as const;
const log: readonly WorldEvent[] = [
  { session: 1, type: "acted", action: "a", result: { taskId: "t1" }, atMs: 0 },
  { session: 1, type: "began", key: step.key },
  { session: 1, type: "ended", key: step.key },
  { session: 1, type: "observed", runId: "r1", key: step.key, value: "1" },
  { ...call, type: "called" },
  { ...call, type: "happened" },
  { session: 1, type: "billed", key: reservation.stepKey, microUsd: 40 },
];
const actions = [{ id: "a", type: "submit", atMs: 0, agent: "a", input: 1, key: "k" }] as const;
const facts: StoryFacts = { log, file, actions };

const withFile = (changes: Partial<FileState>): StoryFacts => ({ ...facts, file: { ...file, ...changes } });
const withEvents = (...events: readonly WorldEvent[]): StoryFacts => ({ ...facts, log: [...log, ...events] });
const opened = { session: 2, type: "opened", atMs: 0, journaled: [] as readonly string[], recoveries: 0 } as const;
const drained = { session: 1, type: "drained", atMs: 0, running: 0, recoveries: 0, isFull: false } as const;
const order = (key: string): WorldEvent => ({ session: 3, type: "observed", runId: "r1", key, value: "1" });

/** Stories that break a promise, by the invariant that has to say so. */
const broken: Readonly<Record<keyof typeof invariants, readonly StoryFacts[]>> = {
  everyTaskEnds: [withFile({ tasks: [{ ...task, status: "waiting" }] }), withFile({ tasks: [{ ...task, status: "dead" }] }), withFile({ tasks: [] })],
  everyTaskStartsOnce: [
    withFile({ tasks: [task, { ...task, id: "t2" }] }),
    withFile({ runs: [...file.runs, { id: "r2", taskId: "t1" }] }),
    { ...withEvents({ session: 1, type: "acted", action: "b", result: { taskId: "t2" }, atMs: 0 }), actions: [...actions, { ...actions[0], id: "b" }] },
  ],
  everyStatusIsLegal: [withFile({ records: [told("queued"), told("done(unverified)")] }), withFile({ records: [told("running"), told("done(x)")] }), withFile({ records: [told("queued"), told("running")] })],
  drainsLoseNothing: [withEvents({ ...drained, running: 1 }), withEvents(drained, opened, { ...drained, session: 2, recoveries: 1 }), withFile({ tasks: [{ ...task, recoveries: 1 }] })],
  noCompletedStepExecutes: [withEvents({ session: 1, type: "began", key: step.key }), withEvents({ ...opened, journaled: ["r1/code/y/1"] }, { session: 2, type: "began", key: "r1/code/y/1" })],
  noStepExecutesTwiceAtOnce: [withEvents({ session: 1, type: "began", key: "y" }, { session: 1, type: "began", key: "y" })],
  outcomesNeverChange: [withEvents({ session: 2, type: "observed", runId: "r1", key: step.key, value: "2" })],
  outcomesComeInOrder: [withEvents(order("r1/code/transfer/1"), order(step.key))],
  everySignalArrives: [{ ...withEvents({ session: 1, type: "acted", action: "go", result: { runId: "r1", done: true }, atMs: 1 }), actions: [...actions, { id: "go", type: "signal", atMs: 0, of: "a", name: "go", payload: 1 }] }],
  onceHappensOnce: [withEvents({ ...call, type: "called" }), withEvents({ ...call, type: "happened" })],
  callsKeepTheirKeys: [withEvents({ ...call, type: "called", effect: "idempotent" }, { ...call, type: "called", effect: "idempotent", key: "r1/tool/mail/2" })],
  everyIntentIsClosed: [withFile({ effects: [{ key: call.key, state: "intended" }] }), withFile({ effects: [] })],
  everyBillCounts: [withEvents({ session: 1, type: "billed", key: reservation.stepKey, microUsd: 1 }), withFile({ reservations: [] })],
  nothingElseCounts: [withFile({ reservations: [{ ...reservation, countedMicroUsd: 41 }] }), withFile({ reservations: [{ ...reservation, state: "lost", countedMicroUsd: 100 }] })],
  receiptsAreSettled: [withFile({ reservations: [{ ...reservation, countedMicroUsd: 41 }] }), withFile({ reservations: [{ ...reservation, state: "lost" }] })],
  totalsAdd: [withFile({ taskMoney: [{ taskId: "t1", countedMicroUsd: 41 }] }), withFile({ dayMoney: [{ agent: "a", day: 1, countedMicroUsd: 0 }] }), withFile({ reservations: [{ ...reservation, state: "open" }] })],
  everyFiringLeavesOneReceipt: [withFile({ tasks: [{ ...task, source: "trigger a/every:5s" }] }), withFile({ records: [{ ...receipt(5_000), result: "ran", taskId: "t9" }] })],
  schedulesFireOnce: [withFile({ records: [receipt(5_000), receipt(5_000)] }), withFile({ records: [receipt(5_000), receipt(15_000)] }), withFile({ records: [receipt(10_000), receipt(5_000)] })],
  everyEventReachesItsSubscribers: [withEvents({ session: 1, type: "observed", runId: "r1", key: "r1/code/publish/e/1", value: '{"tasks":1}' })],
  transactionsAreSteps: [
    withFile({ userTables: { ...file.userTables, transfer: [] } }),
    withFile({ journal: [] }),
    withFile({ userTables: { ...file.userTables, account: [{ name: "shop", balance: 6 }, { name: "customer", balance: -6 }] } }),
  ],
};

test("a story in which everything is as it should be breaks nothing", () => {
  expect(Object.entries(invariants).flatMap(([name, find]) => find(facts).map((violation) => `${name}: ${violation}`))).toEqual([]);
  expect(findInstantViolations(log, file)).toEqual([]);
});

test.each(Object.entries(broken))("%s is said to be broken where it is", (name, stories) => {
  for (const [index, story] of stories.entries()) expect(invariants[name as keyof typeof invariants](story), `story ${index + 1}`).not.toEqual([]);
});

describe("at every instant", () => {
  test.each([
    ["a task that was acknowledged", { tasks: [] }, /task t1 is lost/],
    ["an outcome that was given", { journal: [] }, /is lost: durable code was given 1/],
    ["the intent of a call that was made", { effects: [] }, /without an intent/],
    ["the money of a call that was billed", { reservations: [] }, /no money was set aside/],
  ])("%s is in the file", (_, changes: Partial<FileState>, message) => {
    expect(findInstantViolations(log, { ...file, ...changes })).toEqual([expect.stringMatching(message)]);
  });

  test("an outcome is in the journal as it was given", () => {
    expect(findInstantViolations(log, { ...file, journal: [{ ...step, outcome: '{"ok":true,"value":2}' }] })).toEqual([expect.stringContaining("durable code was given 1")]);
  });

  test.each([
    ["a task waits for nothing", "UPDATE lh_task SET status = 'waiting', waiting_reason = 'timer', end = NULL, ended_at_ms = NULL"],
    ["a run belongs to no task", "UPDATE lh_run SET task_id = 'another'"],
    ["a completed step belongs to no run", "UPDATE lh_journal SET run = run + 99"],
    ["a task's end and its status disagree", "UPDATE lh_task SET end = NULL"],
    ["a task with a key does not hold it", "DELETE FROM lh_key"],
  ])("the file itself is looked at: %s", async (what, sql) => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory.path, "story"));
    await tellStory({ scenario: steps, folder: join(directory.path, "story"), seed: "x" });
    const disk = join(directory.path, "story", "0");
    const db = SqliteDatabase.open(databasePath(disk));
    db.exec(sql);
    db.close();

    expect(readFileOf(disk).problems.join("\n")).toContain(what);
    directory.remove();
  });
});
