import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { messageOf } from "../../base/error.ts";
import { Alarm } from "./alarm.ts";
import { EngineRows, type Made } from "./engine-rows.testsuite.ts";

let rows: EngineRows;
let ready: (readonly string[])[];
let faults: string[];
let rung: (readonly string[])[];
let alarm: Alarm;

beforeAll(async () => {
  rows = await EngineRows.open();
});
afterAll(() => rows.db.close());
beforeEach(async () => {
  await rows.empty();
  [ready, faults, rung] = [[], [], []];
  alarm = new Alarm({
    clock: rows.clock, writer: rows.writer, sweepMs: null,
    onReady: (agents) => void ready.push(agents), onSilentBells: (bells) => void rung.push(bells.map(({ awakeable }) => awakeable)), onSweep: () => Promise.resolve(), onFault: (error) => void faults.push(messageOf(error)),
  });
  return () => alarm.stop();
});

/** While `test` is under way, whoever writes this row fails. */
async function whileRefused(table: string, condition: string, test: () => Promise<void>): Promise<void> {
  await rows.db.exec(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'this row cannot be written'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON ${table} FOR EACH ROW WHEN (${condition}) EXECUTE FUNCTION refuse()`);
  try {
    await test();
  } finally {
    await rows.db.exec(`DROP TRIGGER refuse ON ${table}; DROP FUNCTION refuse`);
  }
}

const idle = (): Promise<void> => vi.waitFor(() => expect(alarm.isIdle).toBe(true), 10_000);

describe("what cannot be ended keeps nothing else from it, and is tried again each second:", () => {
  it("a wait whose time has come", async () => {
    const waiting = [await rows.make({ status: "waiting", waitingReason: "timer" }), await rows.make({ status: "waiting", waitingReason: "timer" }), await rows.make({ status: "waiting", waitingReason: "timer" })] as const;
    for (const each of waiting) await rows.waitFor(each, { dueAtMs: rows.clock.now() });
    const overdue = await rows.make({ deadlineAtMs: rows.clock.now() });

    await whileRefused("lh_journal", `NEW.run = ${waiting[1].runSerial}`, async () => {
      await alarm.start();
      expect(await Promise.all(waiting.map((each) => rows.statusOf(each)))).toEqual(["queued", "waiting", "queued"]);
      expect(await rows.statusOf(overdue)).toBe("dead");
      expect(faults).toEqual(["this row cannot be written"]);
      await rows.clock.advance(2_500, idle);
      expect(faults).toHaveLength(3);
    });
    await rows.clock.advance(1_000, idle);
    expect(await rows.statusOf(waiting[1])).toBe("queued");
  });

  it("a task that is overdue", async () => {
    const overdue = [await rows.make({ deadlineAtMs: rows.clock.now() }), await rows.make({ deadlineAtMs: rows.clock.now() })] as const;

    await whileRefused("lh_task", `NEW.serial = ${overdue[0].task.serial}`, async () => {
      await alarm.start();
      expect(await rows.statusOf(overdue[1])).toBe("dead");
      expect(faults).toEqual(["this row cannot be written"]);
    });
    await rows.clock.advance(1_000, idle);
    expect(await rows.statusOf(overdue[0])).toBe("dead");
  });
});

describe("so many that cannot be ended that they fill a page keep nothing behind them from it:", () => {
  it("waits whose time has come", async () => {
    const stuck = await many(() => rows.make({ status: "waiting", waitingReason: "timer" }));
    for (const each of stuck) await rows.waitFor(each, { dueAtMs: rows.clock.now() });
    const behind = await rows.make({ status: "waiting", waitingReason: "timer" });
    await rows.waitFor(behind, { dueAtMs: rows.clock.now() });

    await whileRefused("lh_journal", `NEW.run <> ${behind.runSerial}`, async () => {
      await alarm.start();
      expect(await rows.statusOf(behind)).toBe("queued");
    });
    await rows.clock.advance(1_000, idle);
    expect(await rows.statusOf(stuck[0] as Made)).toBe("queued");
  });

  it("tasks that are overdue", async () => {
    await many(() => rows.make({ deadlineAtMs: rows.clock.now() }));
    const behind = await rows.make({ deadlineAtMs: rows.clock.now() });

    await whileRefused("lh_task", `NEW.serial <> ${behind.task.serial}`, async () => {
      await alarm.start();
      expect(await rows.statusOf(behind)).toBe("dead");
    });
  });

  it("bells that are not rung", async () => {
    await rows.db.exec("INSERT INTO lh_bell (awakeable, step, at_ms) SELECT 'a' || n, '{}', 0 FROM generate_series(1, 450) AS n");
    await alarm.start();

    for (let look = 0; look < 4; look++) {
      alarm.look();
      await vi.waitFor(() => expect(rung).toHaveLength(look + 1), 10_000);
    }

    expect(rung.map((bells) => [bells[0], bells.at(-1)])).toEqual([["a1", "a200"], ["a201", "a400"], ["a401", "a450"], ["a1", "a200"]]);
  });
});

/** A page of what is due. */
async function many(make: () => Promise<Made>): Promise<readonly Made[]> {
  return await Promise.all(Array.from({ length: 200 }, make));
}

it("looks once more for all that it is told while it looks", async () => {
  await alarm.start();
  ready = [];

  for (let told = 0; told < 20; told++) alarm.look();

  await vi.waitFor(() => expect(rows.writer.isIdle).toBe(true), 10_000);
  expect(ready.length).toBeGreaterThan(0);
  expect(ready.length).toBeLessThanOrEqual(2);
});
