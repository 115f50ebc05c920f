import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LonghaulError } from "../../base/error.ts";
import { VirtualClock } from "../../base/virtual-clock.ts";
import { migrate } from "../../db/migration.ts";
import { SqliteDatabase } from "../../db/sqlite.ts";
import { toLogRecord } from "../../record/log-record.ts";
import type { Write } from "../../record/write.ts";
import { engineMigrations } from "./engine-migrations.ts";
import { LateResults } from "./late-results.ts";
import { acquireOwnership } from "./owner.ts";

let db: SqliteDatabase;
let clock: VirtualClock;
let applied: Write[];
let late: LateResults;

const record: Write = { type: "record", record: toLogRecord("e_1", 0, "t", { event_type: "tool_call", result: "success", data: { attempt: 1 } }) };
const settlement: Write = { type: "money.settle", reservationId: "m_1", spentMicroUsd: 7, tokens: 3 };
const progress: Write = { type: "progress", id: "p_1", agent: "a", atMs: 0, what: "task", outputHash: null };
const fencedAt = (epoch: number): LonghaulError => new LonghaulError("ENGINE_FENCED", "taken over", { details: { epoch, current: epoch + 1 } });

beforeEach(() => {
  db = SqliteDatabase.open(":memory:");
  migrate(db, engineMigrations);
  clock = new VirtualClock();
  applied = [];
  late = new LateResults({ db, clock, apply: (connection, writes) => void applied.push(...(connection.inTransaction ? writes : [])) });
  const processInfo = { pid: 1, startTime: "s", bootId: "b", pidNamespace: "p", isAlive: () => false, kill: () => undefined, standStill: () => undefined };
  acquireOwnership({ db, clock, processInfo });
  acquireOwnership({ db, clock, processInfo });
});
afterEach(() => db.close());

describe("late results of a fenced process", () => {
  it("L1 keeps what is still true, records under ids of their own with the epoch that the process had", () => {
    late.record([record, settlement, progress], fencedAt(1));

    expect(applied).toEqual([{ type: "record", record: expect.objectContaining({ id: "e_1/late/1", data: { attempt: 1, late: true, epoch: 1 } }) as unknown }, settlement]);
    expect(db.inTransaction).toBe(false);
  });

  it("L3 are never written by the owner", () => {
    expect(() => late.record([record], fencedAt(2))).toThrow(/epoch 2 owns the file/);
    expect(applied).toEqual([]);
    expect(db.inTransaction).toBe(false);
  });

  it("are waited for until the last step has ended, and no longer than the time that is given", async () => {
    await late.settled(5_000);
    late.begin();
    late.begin();
    const settled: string[] = [];
    void late.settled(5_000).then(() => settled.push("all ended"));
    late.end();
    await clock.advance(4_000);
    expect(settled).toEqual([]);
    late.end();
    await clock.advance(0);
    expect(settled).toEqual(["all ended"]);
    expect(clock.pendingAtMs).toEqual([]);

    late.begin();
    void late.settled(5_000).then(() => settled.push("in vain"));
    await clock.advance(5_000);
    expect(settled).toEqual(["all ended", "in vain"]);
  });
});
