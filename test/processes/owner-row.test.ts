import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { startTimeFromStat, systemProcess } from "../../src/base/process.ts";
import { openWorld, startWorkingIn, until, type World } from "./fixture/world.ts";

/** A data directory whose team was stopped, with a task that waits and one that is queued. */
let template: string;
beforeAll(async () => {
  template = mkdtempSync(join(tmpdir(), "longhaul-template-"));
  await startWorkingIn(template, async (world, team) => {
    await world.submit("patient", {});
    await until("the task waits", () => world.rows("SELECT 1 FROM lh_task WHERE status = 'waiting'").length === 1);
    team.signal("SIGTERM");
    await team.ended;
  });
});
afterAll(() => rmSync(template, { recursive: true, force: true }));

/** A process of this machine that does nothing. */
function idleProcess(): { readonly child: ChildProcess; readonly pid: number; readonly startTime: string } {
  const child = spawn("sleep", ["600"], { stdio: "ignore" });
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const closed = once(child, "close");
    child.kill("SIGKILL");
    await closed;
  });
  const pid = child.pid ?? 0;
  const startTime = startTimeFromStat(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? "";
  return { child, pid, startTime };
}

interface Row {
  readonly pid: number | null;
  readonly startTime: string;
  readonly bootId: string;
  readonly pidNamespace: string;
  readonly purpose: "team" | "command";
  readonly leaseMs: number;
  readonly ageMs: number;
}

const epoch = 41;

function setOwner(world: World, { pid, startTime, bootId, pidNamespace, purpose, leaseMs, ageMs }: Row): void {
  const renewed = Math.floor(systemClock.monotonicMs() - ageMs);
  world.execute(`INSERT OR REPLACE INTO lh_owner (one, epoch, pid, start_time, boot_id, pid_namespace, purpose, lease_ms, renewed_at_ms, renewed_monotonic_ms)
    VALUES (1, ${epoch}, ${pid ?? "NULL"}, '${startTime}', '${bootId}', '${pidNamespace}', '${purpose}', ${leaseMs}, ${systemClock.now() - ageMs}, ${renewed})`);
}

/** Renews the row, as its owner would, until this is over. */
async function whileRenewing<T>(world: World, doing: () => Promise<T>): Promise<T> {
  let isOver = false;
  const renew = async (): Promise<void> => {
    while (!isOver) {
      world.execute(`UPDATE lh_owner SET renewed_at_ms = ${systemClock.now()}, renewed_monotonic_ms = ${Math.floor(systemClock.monotonicMs())} WHERE epoch = ${epoch}`);
      await sleep(systemClock, 100);
    }
  };
  const done = doing().finally(() => {
    isOver = true;
  });
  const [result] = await Promise.all([done, renew()]);
  return result;
}

interface Expected {
  readonly ps: readonly [exitCode: number, text: RegExp];
  readonly task: readonly [exitCode: number, text: RegExp];
  /** A refusal, or null: it works. */
  readonly start: RegExp | null;
  readonly isKilled?: boolean;
}

interface State {
  readonly name: string;
  /** Over what is true of a process that lives in this boot and container, and renewed 100 ms ago. */
  readonly row?: Partial<Row>;
  readonly prepare?: (world: World) => void;
  /** Its process has ended. */
  readonly isDead?: boolean;
  /** It renews while somebody looks or starts, and not while somebody writes. */
  readonly isRenewed?: boolean;
  readonly expected: Expected;
}

const queued = /t_\w+ is queued\. The team does not run: it begins when it starts\./;
const free: Expected = { ps: [0, /^work does not run: it was stopped\..*longhaul start/], task: [0, queued], start: null };
const gone: Expected = { ps: [0, /^work does not run: it ended without saying so, less than .* ago\..*longhaul start/], task: [0, queued], start: null };
const noTeam: Expected = { ps: [1, /longhaul start.*STORE_NOT_FOUND/], task: [1, /longhaul start.*STORE_NOT_FOUND/], start: null };
const newer = /was written by a newer version of longhaul \(it has 0099-engine\)\. Upgrade longhaul, or give another --data directory\. \[STORE_VERSION\]/;
const minuteMs = 60_000;

function makeNewer(world: World): void {
  world.execute("INSERT INTO lh_migration (name) VALUES ('0099-engine'); ALTER TABLE lh_owner ADD COLUMN place TEXT NOT NULL DEFAULT 'rack 7'");
}

const states: readonly State[] = [
  { name: "there is no data directory", prepare: (world) => rmSync(world.data, { recursive: true }), expected: noTeam },
  {
    name: "the file is empty, as a crash at the very first start leaves it",
    prepare(world) {
      rmSync(world.data, { recursive: true });
      mkdirSync(world.data);
      writeFileSync(join(world.data, "longhaul.db"), "");
    },
    expected: { ...noTeam, ps: [1, /STORE_NOT_FOUND/], task: [1, /STORE_NOT_FOUND/] },
  },
  { name: "nobody ever owned it", prepare: (world) => world.execute("DELETE FROM lh_owner"), expected: free },
  { name: "the last owner gave it back", row: { pid: null }, expected: free },
  {
    name: "the owner is alive and renews",
    row: { leaseMs: 3_000 },
    isRenewed: true,
    // Without a socket it is one that begins or ends. Here it never renews again, so that the writing command learns that it hangs.
    expected: { ps: [0, /^work runs \(pid \d+\)\.\n/], task: [1, /has written nothing for .*longhaul start team\.ts.*ENGINE_OWNED/], start: /^It ended with 1:\n.*Process \d+ owns .*: it is alive and was heard of .* ago\. Stop it, or give this one another --data directory\. \[ENGINE_OWNED\]/ },
  },
  {
    name: "the owner is alive and past its lease",
    row: { ageMs: minuteMs },
    expected: { ps: [0, /^work runs \(pid \d+\)\. It has written nothing for 1 min.*longhaul start/], task: [1, /Process \d+ owns .* has written nothing for 1 min.*longhaul start team\.ts.*ENGINE_OWNED/], start: null, isKilled: true },
  },
  {
    name: "a command owns it, and no team runs",
    row: { purpose: "command", leaseMs: 1_000 },
    // The command is gone in a moment; this one hangs, and is replaced by a command too.
    expected: { ...free, isKilled: true },
  },
  { name: "the owner is dead", isDead: true, expected: gone },
  { name: "the owner is dead, and its lease had ended before", isDead: true, row: { ageMs: minuteMs }, expected: gone },
  { name: "the owner's pid is another process's by now", row: { startTime: "1", ageMs: minuteMs }, expected: gone },
  { name: "the owner was of another boot", row: { bootId: "another", ageMs: -minuteMs }, expected: gone },
  {
    name: "the owner is in another container and renews",
    row: { pidNamespace: "pid:[7]", leaseMs: 3_000 },
    isRenewed: true,
    // A command waits until the lease is over: then nobody is in the way.
    expected: { ps: [0, /^work runs \(in another container, pid \d+ there\)\.\n/], task: [0, /^t_\w+ is queued\./], start: /^It ended with 1:\n.*A process of another container \(pid \d+ there\) owns .* Stop it there, or give this one another --data directory\. If it is gone, try again in .*\[ENGINE_OWNED\]/ },
  },
  {
    name: "the owner is in another container and past its lease",
    row: { pidNamespace: "pid:[7]", ageMs: minuteMs },
    expected: { ps: [0, /^work does not run: it ran in another container and was not heard of for 1 min.*longhaul start/], task: [0, queued], start: null },
  },
  { name: "a newer version gave it back", row: { pid: null }, prepare: makeNewer, expected: { ps: [1, newer], task: [1, newer], start: newer } },
  { name: "a newer version owns it and hangs", row: { ageMs: minuteMs }, prepare: makeNewer, expected: { ps: [1, newer], task: [1, newer], start: newer } },
];

const taskCommand = ["task", "counter", '{"job":"given","steps":2,"stepMs":0}'];

const ownerRow = (world: World, isRenewed: boolean): unknown => world.rows("SELECT * FROM lh_owner").map((row) => (isRenewed ? { ...row, renewed_at_ms: 0, renewed_monotonic_ms: 0 } : row));

describe("when", { timeout: 60_000 }, () => {
  it.each(states)("$name", async ({ row, prepare, isDead = false, isRenewed = false, expected }) => {
    const world = openWorld();
    cpSync(template, world.data, { recursive: true });
    const { child, pid, startTime } = idleProcess();
    if (isDead) {
      child.kill("SIGKILL");
      await once(child, "close");
    }
    prepare?.(world);
    const { bootId, pidNamespace } = systemProcess();
    const set = (): void => {
      if (row !== undefined || isDead) setOwner(world, { pid, startTime, bootId, pidNamespace, purpose: "team", leaseMs: 15_000, ageMs: 100, ...row });
    };

    set();
    const [ps, task] = isRenewed ? [await whileRenewing(world, () => world.run("ps")), await world.run(...taskCommand)] : await world.runEach([["ps"], taskCommand]);
    expect(ps?.text).toMatch(expected.ps[1]);
    expect(ps?.exitCode).toBe(expected.ps[0]);
    expect(task?.text).toMatch(expected.task[1]);
    expect(task?.exitCode).toBe(expected.task[0]);

    set();
    const before = expected.start === null ? null : ownerRow(world, isRenewed);
    const team = world.start();
    expect(await (isRenewed ? whileRenewing(world, () => team.outcome) : team.outcome)).toMatch(expected.start ?? /^works$/);
    if (expected.start === null) await expectWork(world, expected);
    // Whoever is refused has changed nothing.
    expect(expected.start === null ? null : ownerRow(world, isRenewed)).toEqual(before);
    expect(child.signalCode).toBe(isDead || expected.isKilled === true ? "SIGKILL" : null);
  });
});

it("starts once, however many processes start at the same instant on a directory that is new", { timeout: 60_000 }, async () => {
  // paperclipai/paperclip#5421
  const world = openWorld();
  const outcomes = await Promise.all(Array.from({ length: 4 }, () => world.start().outcome));

  expect(outcomes.filter((outcome) => outcome === "works")).toHaveLength(1);
  expect(outcomes.filter((outcome) => outcome.includes("[ENGINE_OWNED]"))).toHaveLength(3);
  expect(world.rows("SELECT epoch FROM lh_owner")).toEqual([{ epoch: 1 }]);
});

/** The team has taken over: what waited waits, what was queued is done, once. */
async function expectWork(world: World, { task: [exitCode], ps: [known] }: Expected): Promise<void> {
  const given = exitCode === 0 ? 1 : 0;
  await until("the work is done", () => world.rows("SELECT 1 FROM lh_task WHERE agent = 'counter' AND status = 'done'").length === given);
  expect(world.rows("SELECT 1 FROM lh_task WHERE agent = 'patient' AND status = 'waiting'")).toHaveLength(known === 0 ? 1 : 0);
  expect(world.log().filter((line) => line.includes("begin"))).toHaveLength(2 * given);
  expect(world.rows("PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
}
