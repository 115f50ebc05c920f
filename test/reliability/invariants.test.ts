import { describe, expect, test } from "vitest";
import type { TaskStatus } from "../../src/record/task.ts";
import type { FileState, JournalEntry, StoredRecord, StoredReservation, StoredTask } from "./file-state.ts";
import { findViolations, invariants } from "./invariants/all.ts";
import { findInstantViolations, findLostOutcomes, findLostTasks, findMissingIntents, findUnreservedBills } from "./invariants/instant.ts";
import type { StoryFacts } from "./invariants/story-facts.ts";
import type { Action } from "./scenario.ts";
import type { EventOf, WorldEvent } from "./world.ts";

const [check, ask, pay, transfer, publish] = ["r1/code/check/1", "r1/model/ask/1", "r1/tool/pay/1", "r1/transaction/transfer/1", "r1/publish/found/1"] as const;
const schedule = "news/every:5s";

function submission(id: string, key: string): Action {
  return { id, atMs: 0, type: "submit", agent: "clerk", input: null, key };
}

function task(n: number, changes: Partial<StoredTask> = {}): StoredTask {
  return { id: `t${n}`, agent: "clerk", key: null, source: "api", status: "done", waitingReason: null, runId: `r${n}`, recoveries: 0, end: { status: "done", outcome: "unverified", output: null, evidence: null, reason: null }, ...changes };
}

function step(key: string, seq: number, value: unknown = null): JournalEntry {
  return { runId: "r1", seq, key, outcome: JSON.stringify({ ok: true, value }), completedAtMs: seq * 1_000 };
}

function reservation(changes: Partial<StoredReservation> = {}): StoredReservation {
  return { stepKey: ask, agent: "clerk", taskId: "t1", day: 1, state: "settled", amountMicroUsd: 100, countedMicroUsd: 30, ...changes };
}

function record(changes: Partial<StoredRecord>): StoredRecord {
  return { id: "e1", eventType: "task", taskId: "t1", runId: null, result: null, costMicroUsd: null, data: {}, ...changes };
}

function life(taskId: string, ...statuses: readonly TaskStatus[]): readonly StoredRecord[] {
  return statuses.map((status) => record({ taskId, result: status === "waiting" ? "waiting(signal)" : status }));
}

function receipt(taskId: string, dueAtMs: number): StoredRecord {
  return record({ eventType: "trigger", taskId, result: "ran", data: { triggerId: schedule, dueAtMs } });
}

function opened(session: number, atMs: number, recoveries = 0, journaled: readonly string[] = []): WorldEvent {
  return { type: "opened", session, atMs, journaled, recoveries };
}

function drained(changes: Partial<EventOf<"drained">> = {}): WorldEvent {
  return { type: "drained", session: 1, atMs: 60_000, running: 0, recoveries: 0, isFull: false, ...changes };
}

function began(key: string, session = 1): WorldEvent {
  return { type: "began", session, key };
}

function ended(key: string): WorldEvent {
  return { type: "ended", session: 1, key };
}

function observed(key: string, value: unknown = null, session = 1): WorldEvent {
  return { type: "observed", session, runId: "r1", key, value: JSON.stringify(value) };
}

function called(key: string, effect: "once" | "idempotent"): WorldEvent {
  return { type: "called", session: 1, tool: effect === "once" ? "pay" : "mail", effect, key, input: "{}" };
}

function happened(key: string): WorldEvent {
  return { type: "happened", session: 1, tool: "pay", effect: "once", key, input: "{}" };
}

function billed(microUsd: number, key: string = ask): WorldEvent {
  return { type: "billed", session: 1, key, microUsd };
}

function acted(action: string, taskId: string): WorldEvent {
  return { type: "acted", session: 1, action, result: { taskId }, atMs: 0 };
}

const crashed: WorldEvent = { type: "crashed", session: 1, atMs: 50_000 };

/** A team that did a little of everything: a step, a model call, a payment, a transfer, an event with one subscriber, and a schedule that fired twice. */
const healthy: StoryFacts = {
  actions: [submission("a1", "k1")],
  log: [
    opened(1, 0), acted("a1", "t1"),
    began(check), ended(check), observed(check, "fine"),
    began(ask), billed(30), ended(ask), observed(ask),
    began(pay), called(pay, "once"), happened(pay), ended(pay), observed(pay),
    called("r1/tool/mail/1", "idempotent"), called("r1/tool/mail/1", "idempotent"),
    began(transfer), ended(transfer), observed(transfer, 5),
    began(publish), ended(publish), observed(publish, { tasks: 1 }), { type: "started", session: 1, taskId: "t2", by: "r1" },
  ],
  file: {
    tasks: [task(1, { key: "k1" }), task(2, { key: `event:${publish}:reader` }), task(3, { source: `trigger ${schedule}` }), task(4, { source: `trigger ${schedule}` })],
    runs: [1, 2, 3, 4].map((n) => ({ id: `r${n}`, taskId: `t${n}` })),
    journal: [step(check, 1, "fine"), step(ask, 2), step(pay, 3), step(transfer, 4, 5), step(publish, 5, { tasks: 1 })],
    keys: [],
    reservations: [reservation()],
    taskMoney: [{ taskId: "t1", countedMicroUsd: 30 }],
    dayMoney: [{ agent: "clerk", day: 1, countedMicroUsd: 30 }],
    effects: [{ key: pay, state: "completed" }],
    records: [
      ...life("t1", "queued", "running", "waiting", "running", "done"), ...["t2", "t3", "t4"].flatMap((id) => life(id, "queued", "running", "done")),
      record({ id: "e9", eventType: "model_call", result: "success", costMicroUsd: 30 }),
      receipt("t3", 5_000), receipt("t4", 10_000),
    ],
    userTables: { transfer: [{ run: "r1", amount: 5 }], account: [{ name: "shop", balance: 5 }, { name: "customer", balance: -5 }] },
    problems: [],
    digest: "",
  },
};

/** The healthy world, and what was seen after it. */
function then(...events: readonly WorldEvent[]): StoryFacts {
  return { ...healthy, log: [...healthy.log, ...events] };
}

/** The healthy world, but for something in its file. */
function but(changes: Partial<FileState>, facts = healthy): StoryFacts {
  return { ...facts, file: { ...facts.file, ...changes } };
}

function butTask(n: number, changes: Partial<StoredTask>, facts = healthy): StoryFacts {
  return but({ tasks: facts.file.tasks.map((stored) => (stored.id === `t${n}` ? { ...stored, ...changes } : stored)) }, facts);
}

function butMoney(changes: Partial<StoredReservation>, facts = healthy): StoryFacts {
  return but({ reservations: [reservation(changes)] }, facts);
}

function butRecords(keep: (record: StoredRecord) => boolean, ...more: readonly StoredRecord[]): StoryFacts {
  return but({ records: [...healthy.file.records.filter((stored) => keep(stored)), ...more] });
}

function butTables(changes: FileState["userTables"]): StoryFacts {
  return but({ userTables: { ...healthy.file.userTables, ...changes } });
}

/** The healthy world, and an action that was acknowledged with a task, or not at all. */
function withAction(action: Action, taskId?: string): StoryFacts {
  const { log } = taskId === undefined ? healthy : then(acted(action.id, taskId));
  return { ...healthy, log, actions: [...healthy.actions, action] };
}

/** The healthy world, in which a run waited for a signal as well: it was acknowledged at the first instant, and the wait was over at the other. */
function withSignal(acknowledgedAtMs: number, overAtMs: number, by: "signal" | "timer"): StoryFacts {
  const wait = { ...step("r1/wait/go/1", 6, { by }), completedAtMs: overAtMs };
  const signal: Action = { id: "go", atMs: 0, type: "signal", of: "a1", name: "go", payload: null };
  const { log } = then({ type: "acted", session: 1, action: "go", result: { runId: "r1", done: true }, atMs: acknowledgedAtMs });
  return { ...but({ journal: [...healthy.file.journal, wait] }), log, actions: [...healthy.actions, signal] };
}

const isNotOf = (taskId: string) => (stored: StoredRecord): boolean => stored.taskId !== taskId;
const isNotFiringOf = (taskId: string) => (stored: StoredRecord): boolean => stored.eventType !== "trigger" || stored.taskId !== taskId;
const failure = { status: "canceled", reason: "enough" } as const;

/** A canceled run that registered a and b, and of which these were undone. */
function undoing(undone: readonly string[]): StoryFacts {
  const told = (runId: string, kind: string, names: readonly string[]): readonly JournalEntry[] => names.map((name, index) => step(`${runId}/${kind}/${name}/1`, 20 + index));
  const tasks = healthy.file.tasks.map((stored) => (stored.id === "t2" ? task(2, { status: "canceled", end: failure }) : stored));
  return but({
    tasks: undone.length === 0 ? tasks : [...tasks, task(9, { id: "c_r2", runId: "r_c_r2" })],
    journal: [...healthy.file.journal, ...told("r2", "compensate", ["a", "b"]), ...told("r_c_r2", "compensate", ["a", "b"]), ...told("r_c_r2", "compensation", undone)],
  });
}

type Violated = readonly [name: keyof typeof invariants, what: string, facts: StoryFacts, violation: string | readonly string[]];

const violated: readonly Violated[] = [
  ["everyTaskEnds", "a task is left waiting", butTask(2, { status: "waiting", waitingReason: "signal", end: null }), "task t2 is still waiting(signal)"],
  ["everyTaskEnds", "a submission was lost", withAction(submission("a2", "k2")), "the submission a2 led to no task"],
  ["everyTaskEnds", "a task ended otherwise than it should", butTask(1, { status: "canceled", end: failure }), `task t1 of a1 is canceled instead of done: ${JSON.stringify(failure)}`],
  ["everyTaskStartsOnce", "one key started two tasks", but({ tasks: [...healthy.file.tasks, task(9, { key: "k1" })] }), "key k1 started 2 tasks: t1, t9"],
  ["everyTaskStartsOnce", "a task that nobody restarted has two runs", but({ runs: [...healthy.file.runs, { id: "r9", taskId: "t1" }] }), "task t1 has 2 runs"],
  ["everyTaskStartsOnce", "two clients with one key were told of two tasks", withAction(submission("a2", "k1"), "t2"), "clients of key k1 were told of different tasks"],
  ["everyStatusIsLegal", "a task was done without having run", butRecords(isNotOf("t2"), ...life("t2", "queued", "done")), "task t2 went from queued to done"],
  ["everyStatusIsLegal", "a task was never queued", butRecords(isNotOf("t2"), ...life("t2", "running", "done")), "task t2 begins as running"],
  ["everyStatusIsLegal", "the records end before the task does", butRecords(isNotOf("t2"), ...life("t2", "queued", "running")), "task t2 is done, and its last record says running"],
  ["everyStatusIsLegal", "a task has no records", butRecords(isNotOf("t2")), "task t2 is done, and its last record says nothing"],
  ["drainsLoseNothing", "a drain left tasks running", then(drained({ running: 2 }), opened(2, 70_000)), "2 tasks were still running after the drain of session 1"],
  ["drainsLoseNothing", "a drain was counted as a crash", butTask(1, { recoveries: 1 }, then(crashed, opened(2, 55_000), drained({ session: 2 }), opened(3, 70_000))), "the drain of session 2 was counted as a crash"],
  ["drainsLoseNothing", "a task was recovered more often than the process died", butTask(1, { recoveries: 2 }, then(crashed, opened(2, 55_000))), "task t1 was recovered 2 times in 1 crashes"],
  ["noCompletedStepExecutes", "a step of the journal executed again", then(opened(2, 70_000, 0, ["r1/tool/mail/1"]), began("r1/tool/mail/1", 2)), "step r1/tool/mail/1 executed again in session 2 although it was completed"],
  ["noCompletedStepExecutes", "a step whose outcome was given executed again", then(began(check)), `step ${check} executed again in session 1 although it was completed`],
  ["noStepExecutesTwiceAtOnce", "a step began before its first attempt ended", then(began("r1/code/late/1"), began("r1/code/late/1")), "step r1/code/late/1 executed twice at once in session 1"],
  ["outcomesNeverChange", "a replay was given another outcome", then(observed(check, "bad", 2)), `the outcome of ${check} changed: "fine" | "bad"`],
  ["outcomesComeInOrder", "a replay was given a later outcome first", then(observed(pay, null, 2), observed(check, "fine", 2)), "run r1 was given its outcomes out of order in session 2: 3, 1"],
  ["everySignalArrives", "a time limit overtook a signal that was acknowledged", withSignal(6_000, 6_500, "timer"), "the signal go was acknowledged, and r1/wait/go/1 ran into its time limit 500 ms later"],
  ["onceHappensOnce", "a payment was made twice", then(happened("r1/tool/pay/2")), "r1 pay {} happened 2 times"],
  ["onceHappensOnce", "a once call was made again and nobody had looked", then(called(pay, "once")), `the once call ${pay} was made again in session 1 without a look`],
  ["onceHappensOnce", "a once call was made again after the look saw that it had happened", then({ type: "reconciled", session: 1, key: pay, happened: true }, called(pay, "once")), `the once call ${pay} was made again in session 1 without a look`],
  ["callsKeepTheirKeys", "another attempt had another key", then(called("r1/tool/mail/2", "idempotent")), "r1 mail {} was called under 2 keys"],
  ["everyIntentIsClosed", "a task ended and left an intent", but({ effects: [...healthy.file.effects, { key: "r2/tool/pay/1", state: "intended" }] }), "the intent of r2/tool/pay/1 was never closed"],
  ["everyIntentIsClosed", "the ledger does not know of a payment", but({ effects: [] }), `${pay} happened, and the ledger does not know`],
  ["everyBillCounts", "a call counts less than its bills", then(billed(5)), `model call ${ask} was billed 35 micro-dollars and counts 30`],
  ["everyBillCounts", "a bill counts nowhere", then(billed(7, "r2/model/ask/1")), "model call r2/model/ask/1 was billed 7 micro-dollars and counts 0"],
  ["nothingElseCounts", "a call counts more than its bill", butMoney({ countedMicroUsd: 40 }), `model call ${ask} counts 40 micro-dollars, was billed 30, and 0 were set aside for calls with no bill`],
  ["nothingElseCounts", "money was lost on a quiet day", butMoney({ state: "lost", countedMicroUsd: 100 }), `money of ${ask} was lost although nothing was interrupted`],
  ["receiptsAreSettled", "a receipt has another cost than the ledger", butMoney({ countedMicroUsd: 29 }), "receipt e9 of 30 micro-dollars has no settled reservation"],
  ["receiptsAreSettled", "two receipts share one reservation", butRecords(() => true, record({ id: "e10", eventType: "model_call", result: "success", costMicroUsd: 30 })), "receipt e10 of 30 micro-dollars has no settled reservation"],
  ["totalsAdd", "the total of a task is not the sum of its calls", but({ taskMoney: [{ taskId: "t1", countedMicroUsd: 31 }] }), "the total of task t1 is 31 micro-dollars; its calls count 30"],
  ["totalsAdd", "the total of a day is not the sum of its calls", but({ dayMoney: [{ agent: "clerk", day: 1, countedMicroUsd: 0 }] }), "the total of clerk on day 1 is 0 micro-dollars; its calls count 30"],
  ["totalsAdd", "money is still set aside at the end", butMoney({ state: "open" }), `the money of ${ask} is still set aside`],
  ["everyFiringLeavesOneReceipt", "a trigger started a task without a receipt", butRecords(isNotFiringOf("t4")), `task t4 of trigger ${schedule} has no receipt`],
  ["everyFiringLeavesOneReceipt", "a receipt names a task that is not there", butRecords(() => true, receipt("t9", 15_000)), "a receipt names task t9, which does not exist"],
  ["schedulesFireOnce", "a schedule fired twice for one instant", butRecords(isNotFiringOf("t4"), receipt("t4", 5_000)), `${schedule} fired for 5000 after 5000`],
  ["schedulesFireOnce", "a schedule left out instants although the team was there", butRecords(isNotFiringOf("t4"), receipt("t4", 25_000)), `${schedule} left out the instants between 5000 and 25000 although the team was there`],
  ["everyEventReachesItsSubscribers", "an event did not reach a subscriber", but({ tasks: healthy.file.tasks.filter(({ id }) => id !== "t2") }), `the event ${publish} was published to 1 subscribers and started 0 tasks`],
  ["everyEventReachesItsSubscribers", "an event reached a subscriber twice", but({ tasks: [...healthy.file.tasks, task(9, { key: `event:${publish}:other` })] }), `the event ${publish} was published to 1 subscribers and started 2 tasks`],
  ["transactionsAreSteps", "a journaled transfer is not in its table", butTables({ transfer: [], account: [] }), "the transfer of run r1 is journaled and not in its table"],
  ["transactionsAreSteps", "a transfer in its table is not journaled", but({ journal: healthy.file.journal.filter(({ key }) => key !== transfer) }), "the transfer of run r1 is in its table and not journaled"],
  ["transactionsAreSteps", "a transfer was written twice", butTables({ transfer: [{ run: "r1", amount: 5 }, { run: "r1", amount: 0 }] }), "2 transfers of 1 runs"],
  ["transactionsAreSteps", "the balances are out of balance", butTables({ account: [{ name: "shop", balance: 5 }, { name: "customer", balance: -4 }] }), "the balances add up to 1"],
  ["transactionsAreSteps", "a balance is not what was transferred", butTables({ account: [{ name: "shop", balance: 6 }, { name: "customer", balance: -6 }] }), "5 were transferred and the balance is 6"],
  ["everyRunIsUndone", "a run that is done was undone", but({ tasks: [...healthy.file.tasks, task(9, { id: "c_r1", runId: "r_c_r1" })] }), "task t1 is done, and task c_r1 undoes it"],
  ["everyRunIsUndone", "nothing undoes a run that registered something", undoing([]), "task t2 is canceled, and nothing undoes a, b"],
  ["everyRunIsUndone", "one of two is not undone", undoing(["b"]), ["a of task t2 was not undone", "task t2 registered a, b, and this was undone: b"]],
  ["everyRunIsUndone", "the first is undone before the last", undoing(["a", "b"]), "task t2 registered a, b, and this was undone: a, b"],
];

describe("at the end of a story", () => {
  test.each(violated)("%s names the violation when %s", (name, _, facts, violation) => {
    const violations = [violation].flat();
    expect(invariants[name](facts)).toEqual(violations);
    expect(findViolations(facts)).toEqual(expect.arrayContaining(violations.map((text) => `${name}: ${text}`)));
  });

  test("every invariant has a world that violates it", () => {
    expect(new Set(violated.map(([name]) => name))).toEqual(new Set(Object.keys(invariants)));
  });
});

const instants: readonly (readonly [what: string, find: typeof findLostTasks, facts: StoryFacts, violation: string])[] = [
  ["a task is lost that a client was told of", findLostTasks, then(acted("a2", "t9")), "task t9 is lost: the client (a2) was told that it exists"],
  ["a task is lost that durable code was told of", findLostTasks, then({ type: "started", session: 1, taskId: "t9", by: "r1" }), "task t9 is lost: r1 was told that it exists"],
  ["an acknowledged outcome is lost", findLostOutcomes, but({ journal: healthy.file.journal.slice(1) }), `the outcome of ${check} is lost: durable code was given "fine"`],
  ["the journal holds another outcome than was given", findLostOutcomes, but({ journal: [step(check, 1, "bad"), ...healthy.file.journal.slice(1)] }), `the outcome of ${check} is {"ok":true,"value":"bad"} in the journal, and durable code was given "fine"`],
  ["a once call was made without an intent", findMissingIntents, but({ effects: [] }), `the once call ${pay} was made without an intent in the file`],
  ["a once call was made again without a new intent", findMissingIntents, but({ effects: [] }, then({ type: "decided", session: 1, key: pay, decision: "retry" }, called(pay, "once"))), `the once call ${pay} was made without an intent in the file`],
  ["a billed call had no money set aside", findUnreservedBills, but({ reservations: [] }), `the model call ${ask} was billed and no money was set aside for it`],
  ["the file itself is wrong", findInstantViolations, but({ problems: ["a run belongs to no task"] }), "a run belongs to no task"],
];

describe("at every instant", () => {
  test.each(instants)("the violation is named when %s", (_, find, { log, file }, violation) => {
    expect(find(log, file)).toEqual([violation]);
    expect(findInstantViolations(log, file)).toContain(violation);
  });
});

const lostCall = reservation({ state: "lost", countedMicroUsd: 100 });
const lostMoney = but({ reservations: [reservation(), lostCall], taskMoney: [{ taskId: "t1", countedMicroUsd: 130 }], dayMoney: [{ agent: "clerk", day: 1, countedMicroUsd: 130 }] }, then(crashed, opened(2, 55_000)));
const restarted = withAction({ id: "again", atMs: 0, type: "restart", of: "a1" }, "t1");

const allowed: readonly (readonly [what: string, facts: StoryFacts])[] = [
  ["nothing goes wrong", healthy],
  ["a crash is recovered from once and the run is replayed from the journal", butTask(1, { recoveries: 1 }, then(crashed, opened(2, 55_000, 0, [check]), observed(check, "fine", 2), observed(ask, null, 2)))],
  ["a run that was suspended is replayed in the same session", then(observed(check, "fine"), observed(ask))],
  ["a step that a crash cut off is executed again", then(began("r1/code/late/1"), crashed, opened(2, 55_000), began("r1/code/late/1", 2))],
  ["a once call is made again after a look saw that it had not happened", then({ type: "reconciled", session: 1, key: pay, happened: false }, called(pay, "once"))],
  ["a once call is made again because a human says so", then({ type: "decided", session: 1, key: pay, decision: "retry" }, called(pay, "once"))],
  ["a drain loses nothing", then(drained(), opened(2, 70_000))],
  ["a drain on a full disk leaves what executes", then(drained({ running: 2, isFull: true }), opened(2, 70_000))],
  ["a crash loses the bill of a call, and all that was set aside for it counts", lostMoney],
  ["a task that somebody restarted has two runs", but({ runs: [...healthy.file.runs, { id: "r9", taskId: "t1" }] }, restarted)],
  ["a schedule leaves out what was due while nobody was there", { ...butRecords(isNotFiringOf("t4"), receipt("t4", 25_000)), log: [...healthy.log, crashed, opened(2, 22_000)] }],
  ["a signal is acknowledged before its wait is over", withSignal(6_000, 6_500, "signal")],
  ["a signal comes after the time limit of its wait", withSignal(6_500, 6_000, "timer")],
  ["two clients with one key are told of one task", withAction(submission("a2", "k1"), "t1")],
];

test.each(allowed)("a world breaks no promise in which %s", (_, facts) => {
  expect(findViolations(facts)).toEqual([]);
  expect(findInstantViolations(facts.log, facts.file)).toEqual([]);
});
