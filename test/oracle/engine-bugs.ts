import type { PlantedBug } from "./planted-bug.ts";

const contract = "src/engine/sqlite/sqlite-engine.test.ts";
const adapter = "src/engine/sqlite/sqlite-adapter.test.ts";
const slots = "src/engine/sqlite/slots.test.ts";
const programs = "src/engine/sqlite/random-programs.test.ts";
const owner = "src/engine/sqlite/owner.test.ts";
const groupCommit = "src/db/group-commit.test.ts";
const killPoints = "test/reliability/kill-points.test.ts";
const powerCuts = "test/reliability/power-cut.test.ts";

/** Bugs of the engine and of what it stands on, planted one at a time by `npm run oracle`. */
export const engineBugs: readonly PlantedBug[] = [
  {
    name: "dropped fsync", harm: "a power cut takes back what was acknowledged",
    file: "src/db/sqlite.ts", find: "PRAGMA synchronous = FULL", replace: "PRAGMA synchronous = OFF", suites: [powerCuts],
  },
  {
    name: "acknowledged before the commit", harm: "a crash takes back what was acknowledged",
    file: "src/db/group-commit.ts", find: "    this.#db.run(\"RELEASE job\");\n    return { pending, ok: true, value };", replace: "    this.#db.run(\"RELEASE job\");\n    pending.settle.resolve(value);\n    return { pending, ok: true, value };", suites: [groupCommit, killPoints],
  },
  {
    name: "unchecked epoch", harm: "an owner that was replaced goes on writing",
    file: "src/engine/sqlite/owner.ts", find: "  if (current === epoch) return;", replace: "  if (Number(current) > 0) return;", suites: [owner],
  },
  {
    name: "a refused job takes its group with it", harm: "one refused write loses the steps of others",
    file: "src/db/group-commit.ts", find: "    this.#db.run(\"ROLLBACK TO job\");", replace: "    this.#db.run(\"ROLLBACK\");\n    this.#db.run(\"BEGIN IMMEDIATE\");\n    this.#db.run(\"SAVEPOINT job\");", suites: [groupCommit],
  },
  {
    name: "a refused job keeps its rows", harm: "half of a refused write stays",
    file: "src/db/group-commit.ts", find: "    this.#db.run(\"ROLLBACK TO job\");", replace: "", suites: [groupCommit],
  },
  {
    name: "wrong delivery order", harm: "a race has another winner after a restart",
    file: "src/engine/pump.ts", find: "    this.#queue.push(completion);", replace: "    this.#queue.unshift(completion);", suites: [contract, programs],
  },
  {
    name: "two deliveries in one turn", harm: "a race has another winner after a restart",
    file: "src/engine/pump.ts", find: "    if (this.#deliverNext()) this.#quietTurns = 0;", replace: "    while (this.#deliverNext()) this.#quietTurns = 0;", suites: [contract, programs],
  },
  {
    name: "journal read out of order", harm: "a race has another winner after a restart",
    file: "src/engine/sqlite/journal.ts", find: "WHERE run = ? ORDER BY position\"", replace: "WHERE run = ? ORDER BY number\"", suites: [contract, programs],
  },
  {
    name: "journal not loaded", harm: "completed steps execute again after a restart",
    file: "src/engine/sqlite/claim.ts", find: "const journal = isNew ? [] : listJournal(change.db, run.serial);", replace: "const journal: ReturnType<typeof listJournal> = [];", suites: [contract],
  },
  {
    name: "lost wake-up of a free slot", harm: "queued tasks stay queued",
    file: "src/engine/sqlite/dispatcher.ts", find: "    this.#taken.set(agent, taken - 1);\n    if (!this.#empty.has(agent)) this.#lookAt(agent);", replace: "    this.#taken.set(agent, taken - 1);", suites: [contract, adapter],
  },
  {
    name: "lost wake-up of a timer", harm: "a run sleeps for ever",
    file: "src/engine/sqlite/alarm.ts", find: "    if (!this.#isFiring) this.#arm();", replace: "", suites: [contract],
  },
  {
    name: "lost wake-up of a suspended run", harm: "a run that got its signal stays asleep",
    file: "src/engine/sqlite/transition.ts", find: "  if (task.status === \"waiting\" && task.waitingReason !== \"code-mismatch\") moveTask(change, task, { status: \"queued\" });", replace: "", suites: [contract],
  },
  {
    name: "suspended with a completion on its way", harm: "a run misses the signal that came as it fell asleep",
    file: "src/engine/sqlite/run-exits.ts", find: "    if (countSteps(change.db, ids.runSerial) > deliveredCount) return false;", replace: "", suites: [contract, programs, "test/races/signal-timeout.test.ts"],
  },
  {
    name: "double start", harm: "a key starts a task twice",
    file: "src/engine/sqlite/start-task.ts", find: "  if (holder !== null) return findHolder(change, task, holder);", replace: "", suites: [contract],
  },
  {
    name: "double launch", harm: "a run executes twice at once",
    file: "src/engine/sqlite/tasks.ts", find: "WHERE agent = ?1 AND status = 'queued' AND not_before_at_ms <= ?2", replace: "WHERE agent = ?1 AND status IN ('queued', 'running') AND not_before_at_ms <= ?2", suites: [contract],
  },
  {
    name: "late results are applied", harm: "what was canceled moves on",
    file: "src/engine/sqlite/journal.ts", find: "FROM lh_task WHERE serial = ?10 AND run_id = ?11 AND status = 'running')", replace: "FROM lh_task WHERE serial = ?10 AND run_id = ?11)", suites: [contract, "test/races/submit-cancel.test.ts"],
  },
  {
    name: "late results are forgotten", harm: "money that a canceled call cost is not in the ledger",
    file: "src/engine/sqlite/perform.ts", find: "change.write(lateWrites(end.writes ?? [], String(readOwner(change.db)?.epoch)));", replace: "change.write([]);", suites: [contract, adapter],
  },
  {
    name: "an evicted run goes on", harm: "code that was suspended acts again beside its successor",
    file: "src/engine/run-execution.ts", find: "    this.#isStopped = true;\n    this.#grace?.cancel();\n    this.#activeTimer?.cancel();\n    this.#context.fence();", replace: "    this.#grace?.cancel();", suites: [contract],
  },
  {
    name: "children outlive their parent", harm: "canceled work goes on and costs money",
    file: "src/engine/sqlite/transition.ts", find: "  for (const child of listChildren(change.db, runId)) endTask(change, child, { status: \"canceled\", reason });", replace: "", suites: [contract],
  },
  {
    name: "the parent is not told", harm: "a run waits for a child that has ended",
    file: "src/engine/sqlite/transition.ts", find: "  for (const wait of listWaitsForTask(change.db, ended.id)) completeWait(change, wait, { ok: true, value: { ...end, taskId: ended.id } as unknown as EndAsJson });", replace: "", suites: [contract],
  },
  {
    name: "signals count twice", harm: "a repeated approval answers the next question too",
    file: "src/engine/sqlite/signal.ts", find: "  if (hasSignal(change.db, run.serial, id)) return true;", replace: "", suites: [contract],
  },
  {
    name: "a failure loses its identity", harm: "code that catches by error code breaks after a restart",
    file: "src/engine/run-execution.ts", find: "operation.reject(fromFailure(step.outcome.failure));", replace: "operation.reject(new Error(step.outcome.failure.message));", suites: [contract],
  },
  {
    name: "seeds are ignored", harm: "a fork does its first steps again",
    file: "src/engine/sqlite/perform.ts", find: "  if (seeded !== undefined) return performSeeded(scope, operation, seeded);", replace: "", suites: [contract],
  },
  {
    name: "crashes are not counted", harm: "a task that kills the process does so for ever",
    file: "src/engine/task-rules.ts", find: "recoveriesWithoutProgress: task.recoveriesWithoutProgress + 1,", replace: "recoveriesWithoutProgress: task.recoveriesWithoutProgress,", suites: [contract],
  },
  {
    name: "a drain forgets what executes", harm: "runs are counted as crashed after each deploy",
    file: "src/engine/sqlite/run-exits.ts", find: "    moveTask(change, task, { status: \"queued\", activeMs: ids.activeMs() });\n    change.effects.left.push({ runId: ids.runId, how: \"released\" });", replace: "    change.effects.left.push({ runId: ids.runId, how: \"released\" });", suites: [contract],
  },
  {
    name: "deadlines pass unnoticed", harm: "a task waits longer than it may",
    file: "src/engine/sqlite/alarm.ts", find: "  for (const { id } of listOverdue(change.db, change.atMs, batchMax)) {", replace: "  for (const { id } of listOverdue(change.db, change.atMs, 0)) {", suites: [contract, adapter],
  },
  {
    name: "a full disk loses the step", harm: "a run stands still when there is room again",
    file: "src/engine/sqlite/writer.ts", find: "if (isFinal(error) || (isOwnRefusal && !isFileFailure(error))) throw error;", replace: "if (isFinal(error) || isOwnRefusal || isFileFailure(error)) throw error;", suites: [adapter],
  },
  {
    name: "a newer file is opened", harm: "an old version damages the data of a new one",
    file: "src/db/migration.ts", find: "  if (unknown.length === 0) return applied;", replace: "  if (unknown.length >= 0) return applied;", suites: ["src/db/migration.test.ts"],
  },
  {
    name: "the queue's bound is never counted anew", harm: "an agent refuses work with an empty queue",
    file: "src/engine/sqlite/queue-bounds.ts", find: "bound === undefined || bound >= queueMax ?", replace: "bound === undefined ?", suites: [contract, adapter],
  },
  {
    name: "new code numbers steps anew", harm: "two steps have one number, and a fork by it serves the wrong ones",
    file: "src/engine/run-context.ts", find: "this.#stored.get(key) ?? (this.#taken.has(next) ? Math.max(...this.#taken) + 1 : next)", replace: "key === \"\" ? Math.max(...this.#taken) : next", suites: [contract],
  },
  {
    name: "the end of a wait is no progress", harm: "a run that waits and goes on between crashes is quarantined",
    file: "src/engine/sqlite/transition.ts", find: "  if (step !== null) noteCompleted(change, task, task.runId, step);", replace: "  if (step !== null) change.effects.completed.push({ runId: task.runId, step });", suites: [contract],
  },
  {
    name: "a skip leaves calls behind", harm: "what a skipped run called goes on when the run is canceled",
    file: "src/engine/sqlite/runs.ts", find: "  db.run(\"UPDATE lh_task SET parent_run_id = ? WHERE parent_run_id = ?\", run.id, parkedRunId);\n", replace: "", suites: [contract],
  },
  {
    name: "a skip leaves signals behind", harm: "an approval that came early is never taken",
    file: "src/engine/sqlite/runs.ts", find: "  db.run(\"UPDATE lh_signal SET run = ? WHERE run = ?\", serial, from);\n", replace: "", suites: [contract],
  },
  {
    name: "a skip keeps sleeps", harm: "the end of a sleep that code asks for no more parks the run again",
    file: "src/engine/sqlite/runs.ts", find: "  db.run(\"DELETE FROM lh_wait WHERE run = ? AND child_task_id IS NULL\", from);\n", replace: "", suites: [contract],
  },
  {
    name: "a restart is not counted in its queue", harm: "a queue grows beyond its limit",
    file: "src/engine/sqlite/queue-bounds.ts", find: "    if (bound !== undefined) this.#bounds.set(agent, bound + 1);", replace: "", suites: [contract],
  },
  {
    name: "nobody hears that a suspect is harmless", harm: "tasks of other agents wait until it has ended",
    file: "src/engine/sqlite/sqlite-engine.ts", find: "    if (effects.hasCleared) this.#dispatcher.pokeAll();\n", replace: "", suites: [contract],
  },
  {
    name: "nobody hears that a suspect has left", harm: "tasks of other agents wait for ever",
    file: "src/engine/sqlite/live-runs.ts", find: "    if (run.wasInterrupted) this.#options.dispatcher.pokeAll();\n", replace: "", suites: [contract],
  },
  {
    name: "a fenced process stops at once", harm: "an answer that was paid for is thrown away",
    file: "src/engine/sqlite/live-runs.ts", find: "    void this.#options.writer.late.settled(arriveMsMax).then(() => {\n      for (const [, run] of runs) run.execution.tell(() => reason);\n    });", replace: "    for (const [, run] of runs) run.execution.tell(() => reason);", suites: [adapter],
  },
  {
    name: "a fenced process does not wait for its steps", harm: "what they came to is not recorded",
    file: "src/engine/sqlite/sqlite-engine.ts", find: "      if (isFenced(error)) await this.#writer.late.settled(lateMsMax);\n", replace: "", suites: [adapter],
  },
  {
    name: "code counts as being at rest too early", harm: "a run that reads a stream of its own is evicted in the middle",
    file: "src/engine/pump.ts", find: "const restTurns = 3;", replace: "const restTurns = 1;", suites: ["src/engine/pump.test.ts"],
  },
  {
    name: "the alarm forgets the earlier instant", harm: "a wait that was asked for at the wrong moment ends late",
    file: "src/engine/sqlite/alarm.ts", find: "this.#atMs = Math.min(this.#atMs, next);", replace: "this.#atMs = next;", suites: ["src/engine/sqlite/alarm.test.ts"],
  },
  {
    name: "the seed of a task outlives it", harm: "what no run will ask for stays in the file for ever",
    file: "src/engine/sqlite/transition.ts", find: "  if (end.status === \"done\" || !isCompensation(ended)) replaceSeed(change.db, ended.id, []);\n", replace: "", suites: [contract],
  },
  {
    name: "what undoes a run goes on with it", harm: "a canceled task books what it had not booked",
    file: "src/engine/compensation.ts", find: "const isAdmitted = isSeeded || identity.kind === \"compensate\";", replace: "const isAdmitted = true;", suites: [contract],
  },
  {
    name: "a run that was canceled is not undone", harm: "what it booked stays booked",
    file: "src/engine/compensation.ts", find: "end.status !== \"done\" && task.runId", replace: "end.status === \"dead\" && task.runId", suites: [contract],
  },
  {
    name: "what undoes a run does not wait for its step", harm: "what the step books a moment later stays booked",
    file: "src/engine/compensation.ts", find: "mayAct ? atMs + stopGraceMs : 0", replace: "0", suites: [contract],
  },
  {
    name: "what undoes a run is not told that its step has ended", harm: "each undoing waits for a minute",
    file: "src/engine/sqlite/perform.ts", find: "    noteStopped(change, scope.runId);\n", replace: "", suites: [contract],
  },
  {
    name: "what a skip has not been served yet is not undone", harm: "what it stands for stays booked",
    file: "src/engine/sqlite/compensate.ts", find: "SELECT 1 FROM lh_seed WHERE task_id = ? AND kind = 'compensate'", replace: "SELECT 1 FROM lh_seed WHERE task_id = ? AND kind = 'none'", suites: [contract],
  },
  {
    name: "a parked run that registered is restarted", harm: "nothing undoes what it did",
    file: "src/engine/sqlite/compensate.ts", find: "  if (isOpen(task) && hasRegistered(db, task.id, runId)) return { why: \"registered\" };\n", replace: "", suites: [contract],
  },
  {
    name: "a task is restarted though not all of it is undone", harm: "the restart of its compensation undoes the new run's work",
    file: "src/engine/sqlite/compensate.ts", find: "own.status !== \"done\"", replace: "isOpen(own)", suites: [contract],
  },
  {
    name: "a parked run is tried at each start", harm: "people are alerted again though nothing has changed",
    file: "src/engine/sqlite/tasks.ts", find: "AND lh_run.parked_version <> ?`,\n    agent, codeVersion,", replace: "`,\n    agent,", suites: [contract],
  },
  {
    name: "an intent is not durable before the call", harm: "a crash repeats an effect that must happen once",
    file: "src/store/sqlite/effects.ts", find: "  if (db.run(insertIntent, key, toolName, taskId, runId, atMs).changes === 1) {", replace: "  if (db.get(selectEffect, key) === undefined) {", suites: ["src/store/sqlite/sqlite-store.test.ts", killPoints],
  },
  {
    name: "a lost call's money is forgotten", harm: "a crash in each call lets a task spend without end",
    file: "src/store/sqlite/money.ts", find: "  db.run(loseOpen, taskId);", replace: "", suites: ["src/store/sqlite/sqlite-store.test.ts", "test/run/money-crash.test.ts"],
  },
  {
    name: "a long value is cut", harm: "what a step returned comes back without its document",
    file: "src/db/payload-text.ts", find: "  return isInline(text) ? value : unpack(value, find);", replace: "  return value;", suites: ["src/db/payload.test.ts"],
  },
  {
    name: "a group that is repeated keeps its first rows", harm: "a write that was undone for another's sake is made twice",
    file: "src/db/group-commit.ts", find: "      this.#db.run(\"ROLLBACK\");\n      this.#begin();\n      return null;", replace: "      return null;", suites: [groupCommit],
  },
  {
    name: "a group that is repeated does not ask who owns the file", harm: "an owner that was replaced goes on writing",
    file: "src/db/group-commit.ts", find: "      this.#db.run(\"ROLLBACK\");\n      this.#begin();\n      return null;", replace: "      this.#db.run(\"ROLLBACK\");\n      this.#db.run(\"BEGIN IMMEDIATE\");\n      return null;", suites: [groupCommit],
  },
  {
    name: "a user's transaction may be repeated", harm: "functions of users are called twice for the sake of others",
    file: "src/engine/sqlite/perform.ts", find: "  }, { mayRepeat: false });", replace: "  });", suites: [slots, contract],
  },
  {
    name: "a slot that was given in an undone commit stays taken", harm: "an agent executes less than it may, in the end nothing",
    file: "src/engine/sqlite/writer.ts", find: "          if (made.isMade) this.#options.onUndone(made.effects);\n          if (isFenced", replace: "          if (isFenced", suites: [slots, contract],
  },
  {
    name: "a slot that is given twice in a group", harm: "an agent executes more than it may",
    file: "src/engine/sqlite/dispatcher.ts", find: " - (this.#claimed.get(agent.name) ?? 0)", replace: "", suites: [slots, contract],
  },
  {
    name: "a queue counts as empty for ever", harm: "tasks that come later stay queued",
    file: "src/engine/sqlite/dispatcher.ts", find: "  noteCame(agent: string): void {\n    this.#empty.delete(agent);", replace: "  noteCame(agent: string): void {", suites: [slots, contract],
  },
  {
    name: "a queue counts as empty though what is in it is put off", harm: "a task that was put off is never begun",
    file: "src/engine/sqlite/dispatcher.ts", find: "    if (found.hasMore || hasQueued(change.db, agent.name)) ", replace: "    if (found.hasMore) ", suites: [slots, contract],
  },
  {
    name: "the slot of a second suspect goes to nobody", harm: "tasks wait beside free slots, for hours",
    file: "src/engine/sqlite/dispatcher.ts", find: "    while (found.claimed > 0 && found.hasMore && this.#freeSlots(agent) > 0);", replace: "    while (found.claimed < 0);", suites: [slots],
  },
  {
    name: "slots are given after a drain", harm: "code begins in a process that is about to end",
    file: "src/engine/sqlite/dispatcher.ts", find: "      if (this.#isStopped) return;\n      // Those", replace: "      // Those", suites: [slots],
  },
  {
    name: "code begins before whoever brought it has an answer", harm: "a step that blocks the process hides that its task was taken",
    file: "src/engine/sqlite/live-runs.ts", find: "    onNextTurn(() => execution.start());", replace: "    execution.start();", suites: [slots, contract],
  },
  {
    name: "the judge believes what was undone", harm: "health shows a task in a state that it never had",
    file: "src/runtime/agent-tasks.ts", find: "set(task.id, { task, isCommitted: false })", replace: "set(task.id, { task, isCommitted: true })", suites: ["src/runtime/agent-tasks.test.ts"],
  },
];
