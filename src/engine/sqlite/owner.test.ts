import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { Clock } from "../../base/clock.ts";
import type { ProcessInfo } from "../../base/process.ts";
import { macrotask } from "../../base/turn.ts";
import { VirtualClock } from "../../base/virtual-clock.ts";
import { GroupCommit } from "../../db/group-commit.ts";
import { migrate } from "../../db/migration.ts";
import { SqliteDatabase } from "../../db/sqlite.ts";
import { engineMigrations } from "./engine-migrations.ts";
import { acquireOwnership, type Ownership, type OwnershipOptions } from "./owner.ts";
import { lookAtOwner, readOwner } from "./owner-state.ts";

let db: SqliteDatabase;
let clock: VirtualClock;
/** How far the wall clock was set forward. */
let skewMs: number;
/** Pids that live, each with its start time. */
let alive: Map<number, string>;
let killed: number[];
/** What the world does while somebody who asks stands still. */
let meanwhile: (ms: number) => void;

beforeEach(() => {
  db = SqliteDatabase.open(":memory:");
  migrate(db, engineMigrations);
  clock = new VirtualClock();
  skewMs = 0;
  alive = new Map([[100, "s100"], [200, "s200"]]);
  killed = [];
  meanwhile = () => undefined;
});
afterEach(() => db.close());

function machine(pid: number, fields: Partial<ProcessInfo> = {}): ProcessInfo {
  return {
    pid,
    startTime: `s${pid}`,
    bootId: "boot 1",
    pidNamespace: "pids 1",
    isAlive: (other, startTime) => alive.get(other) === startTime,
    kill(other) {
      killed.push(other);
      alive.delete(other);
    },
    standStill: (ms) => meanwhile(ms),
    ...fields,
  };
}

/** `clock`, with a wall clock that can be set. */
const wallClock: Clock = { now: () => clock.now() + skewMs, monotonicMs: () => clock.monotonicMs(), setTimer: (delayMs, run) => clock.setTimer(delayMs, run) };

function acquire(processInfo: ProcessInfo, fields: Partial<OwnershipOptions> = {}): Ownership {
  return acquireOwnership({ db, clock: wallClock, processInfo, ...fields });
}

/** An owner that renews its lease. */
function acquireAndKeep(pid: number): Ownership {
  const owner = acquire(machine(pid));
  owner.keep(new GroupCommit({ db, guard: owner.guard }), () => undefined);
  return owner;
}

const hourMs = 3_600_000;

describe("ownership of a data file", () => {
  it("O1 replaces a dead owner at once", () => {
    acquire(machine(100));
    alive.delete(100);

    expect(acquire(machine(200)).epoch).toBe(2);
    expect(killed).toEqual([]);
  });

  it("O1 replaces an owner of another boot, and one whose pid belongs to another process by now", () => {
    acquire(machine(100));
    expect(acquire(machine(200, { bootId: "boot 2" })).epoch).toBe(2);
    alive.set(200, "started later");
    expect(acquire(machine(300, { bootId: "boot 2" })).epoch).toBe(3);
  });

  it("O2 is refused while the owner is alive and renews, naming its pid and age and what to do", async () => {
    acquireAndKeep(100);
    await clock.advance(62_000);

    expect(() => acquire(machine(200))).toThrow(/Process 100 owns .* 2\.0 s ago.*Stop it, or give this one another --data directory/);
    expect(() => acquire(machine(200))).toThrow(expect.objectContaining({ code: "ENGINE_OWNED", details: { pid: 100, ageMs: 2_000 } }));
    expect(killed).toEqual([]);
  });

  it("O3 fences and kills an owner that is alive and did not renew for 15 s", async () => {
    acquire(machine(100));
    await clock.advance(14_999);
    expect(() => acquire(machine(200))).toThrow(expect.objectContaining({ code: "ENGINE_OWNED" }));
    await clock.advance(1);

    expect(acquire(machine(200)).epoch).toBe(2);
    expect(killed).toEqual([100]);
  });

  it("O3 never kills the process that asks", async () => {
    acquire(machine(100));
    await clock.advance(15_000);

    expect(acquire(machine(100)).epoch).toBe(2);
    expect(killed).toEqual([]);
  });

  it("O4 refuses every commit of an owner that was replaced, and tells it at its next renewal", async () => {
    const owner = acquire(machine(100));
    const commit = new GroupCommit({ db, guard: owner.guard });
    const fenced: Error[] = [];
    owner.keep(commit, (error) => fenced.push(error));
    alive.delete(100);
    acquire(machine(200));

    await expect(commit.submit(() => 1)).rejects.toMatchObject({ code: "ENGINE_FENCED", details: { epoch: 1, current: 2 } });
    await clock.advance(5_000);
    expect(fenced).toMatchObject([{ code: "ENGINE_FENCED" }]);
    expect(clock.pendingAtMs).toEqual([]);
  });

  it("gives the file back, so that the next owner need not wait", async () => {
    const owner = acquire(machine(100));
    const commit = new GroupCommit({ db, guard: owner.guard });
    owner.keep(commit, () => undefined);

    await owner.release(commit);
    await macrotask();

    expect(acquire(machine(200)).epoch).toBe(2);
    expect(clock.pendingAtMs).toEqual([]);
  });

  it.each([hourMs, -hourMs])("O2 leaves a healthy owner alone when the wall clock is set by %i ms", async (stepMs) => {
    acquireAndKeep(100);
    await clock.advance(12_000);
    skewMs = stepMs;

    expect(() => acquire(machine(200))).toThrow(expect.objectContaining({ code: "ENGINE_OWNED", details: { pid: 100, ageMs: 2_000 } }));
    expect(killed).toEqual([]);
  });

  it("O3 finds an owner that hangs at the end of its lease, although the wall clock was set back by an hour", async () => {
    acquire(machine(100));
    skewMs = -hourMs;
    await clock.advance(15_000);

    expect(acquire(machine(200)).epoch).toBe(2);
    expect(killed).toEqual([100]);
  });

  it("O3 goes by the lease that the owner wrote down, not by one's own", async () => {
    acquire(machine(100), { leaseMs: 60_000 });
    await clock.advance(59_999);
    expect(() => acquire(machine(200), { leaseMs: 10 })).toThrow(expect.objectContaining({ code: "ENGINE_OWNED" }));
    await clock.advance(1);

    expect(acquire(machine(200), { leaseMs: 10 }).epoch).toBe(2);
  });

  it("O3 looks a second time: an owner that woke up with its machine renews, and stays", async () => {
    acquire(machine(100));
    await clock.advance(60_000);
    const stoodStillMs: number[] = [];
    meanwhile = (ms) => {
      stoodStillMs.push(ms);
      db.run("UPDATE lh_owner SET renewed_monotonic_ms = ?", clock.monotonicMs());
    };

    expect(() => acquire(machine(200))).toThrow(expect.objectContaining({ code: "ENGINE_OWNED" }));
    expect(stoodStillMs).toEqual([1_000]);
    expect(killed).toEqual([]);
  });

  it("O3 kills nobody else when the pid of the one that hung was given to another process meanwhile", async () => {
    acquire(machine(100));
    await clock.advance(15_000);
    let looks = 0;
    // Alive when it is judged, before and in the transaction; replaced by another process of the same pid when it is to be killed.
    const successor = machine(200, { isAlive: () => ++looks <= 2 });

    expect(acquire(successor).epoch).toBe(2);
    expect(killed).toEqual([]);
  });

  it("leaves an owner that hangs to whoever goes on with the work, when asked to", async () => {
    acquire(machine(100));
    await clock.advance(40_000);

    expect(() => acquire(machine(200), { purpose: "command" })).toThrow(/Process 100 owns .* has written nothing for 40 s: .*longhaul start team\.ts/);
    expect(readOwner(db)).toMatchObject({ epoch: 1, pid: 100 });
    expect(killed).toEqual([]);
    alive.delete(100);
    expect(acquire(machine(200), { purpose: "command" }).epoch).toBe(2);
  });

  it("waits for a command that owns the file for a moment, instead of being refused", () => {
    acquire(machine(100), { purpose: "command" });
    let stoodStillMs = 0;
    meanwhile = (ms) => {
      stoodStillMs += ms;
      if (stoodStillMs === 200) db.run("UPDATE lh_owner SET pid = NULL");
    };

    expect(acquire(machine(200)).epoch).toBe(2);
    expect(stoodStillMs).toBe(200);
  });

  it("is refused when a command does not come to its end within 10 s, and says what owns it", () => {
    acquire(machine(100), { purpose: "command" });
    let stoodStillMs = 0;
    meanwhile = (ms) => (stoodStillMs += ms);

    expect(() => acquire(machine(200))).toThrow(expect.objectContaining({ code: "ENGINE_OWNED", retry: "backoff", message: expect.stringMatching(/^A command \(process 100\) owns .* Try again\.$/) as string }));
    expect(stoodStillMs).toBe(10_000);
  });

  it("waits for commands that follow one another, also for one that comes first when it was about to take over", () => {
    acquire(machine(100), { purpose: "command" });
    let stoodStillMs = 0;
    meanwhile = (ms) => {
      stoodStillMs += ms;
      if (stoodStillMs % 1_000 === 0) {
        db.run("UPDATE lh_owner SET pid = NULL");
        if (stoodStillMs < 5_000) acquire(machine(100), { purpose: "command" });
      }
    };

    expect(acquire(machine(200)).epoch).toBe(6);
  });

  it.each([
    ["deleted", (path: string) => rmSync(path)],
    ["moved away with its directory", (path: string) => renameSync(dirname(path), `${dirname(path)}-old`)],
    ["replaced by a copy", (path: string) => { copyFileSync(path, `${path}-copy`); renameSync(`${path}-copy`, path); }],
  ])("O6 an owner whose file was %s stops at its next renewal", async (_, change) => {
    const folder = mkdtempSync(join(tmpdir(), "longhaul-owner-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    mkdirSync(join(folder, "data"));
    db.close();
    db = SqliteDatabase.open(join(folder, "data", "longhaul.db"));
    migrate(db, engineMigrations);
    const owner = acquire(machine(100));
    const commit = new GroupCommit({ db, guard: owner.guard });
    const fenced: Error[] = [];
    owner.keep(commit, (error) => void fenced.push(error));
    await clock.advance(5_000, macrotask);
    expect(fenced).toEqual([]);

    change(db.path);
    await clock.advance(5_000, macrotask);

    const refusal = { code: "ENGINE_FENCED", message: expect.stringContaining("was deleted or replaced") as string };
    expect(fenced).toMatchObject([refusal]);
    await expect(commit.submit(() => 1)).rejects.toMatchObject(refusal);
  });

  it.each(["before it asks", "while it waits for a command"])("O6 whoever opened a file that is replaced %s owns nothing", (when) => {
    const folder = mkdtempSync(join(tmpdir(), "longhaul-owner-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    db.close();
    db = SqliteDatabase.open(join(folder, "longhaul.db"));
    migrate(db, engineMigrations);
    acquire(machine(100), { purpose: "command" });
    const replace = (): void => {
      copyFileSync(db.path, `${db.path}-copy`);
      renameSync(`${db.path}-copy`, db.path);
      db.run("UPDATE lh_owner SET pid = NULL");
    };
    if (when === "before it asks") replace();
    else meanwhile = replace;

    expect(() => acquire(machine(200))).toThrow(expect.objectContaining({ code: "ENGINE_FENCED", message: expect.stringContaining("was deleted or replaced") as string }));
    expect(readOwner(db)).toMatchObject({ epoch: 1, pid: null });
  });

  it("O5 refuses while an owner in another container renews, although its pid is nobody's here, and says when to try again", async () => {
    acquire(machine(7, { pidNamespace: "pids 2" }));
    await clock.advance(3_000);

    const refusal = expect.objectContaining({ code: "ENGINE_OWNED", retry: { afterMs: 12_000 }, details: { pid: 7, ageMs: 3_000, purpose: "team", otherContainer: true } }) as Error;
    expect(() => acquire(machine(200))).toThrow(refusal);
    expect(() => acquire(machine(200))).toThrow(/A process of another container \(pid 7 there\) owns .* 3\.0 s ago.*--data directory.*try again in 12 s/);
  });

  it("O5 fences an owner in another container at the end of its lease, and kills nobody: its pid is another process's here", async () => {
    const owner = acquire(machine(100, { pidNamespace: "pids 2" }));
    await clock.advance(15_000);

    expect(acquire(machine(200)).epoch).toBe(2);
    expect(killed).toEqual([]);
    await expect(new GroupCommit({ db, guard: owner.guard }).submit(() => 1)).rejects.toMatchObject({ code: "ENGINE_FENCED" });
  });

  it("is the same process only in the same container: pid 1 of two containers", async () => {
    acquire(machine(1, { pidNamespace: "pids 2" }));
    alive.set(1, "s1");

    expect(() => acquire(machine(1))).toThrow(/another container/);
  });

  it("is seen by others with its age on the clock of the boot, and after another boot on the wall clock", async () => {
    acquire(machine(100));
    await clock.advance(4_000);
    skewMs = hourMs;
    const look = (fields: Partial<ProcessInfo> = {}) => lookAtOwner(readOwner(db), { clock: wallClock, processInfo: machine(200, fields) });

    expect(look()).toEqual({ state: "fresh", ageMs: 4_000, isForeign: false });
    expect(look({ bootId: "boot 2" })).toEqual({ state: "gone", ageMs: hourMs + 4_000, isForeign: false });
    await clock.advance(11_000);
    expect(look()).toMatchObject({ state: "silent" });
    alive.delete(100);
    expect(look()).toMatchObject({ state: "gone", ageMs: 15_000 });
  });
});
