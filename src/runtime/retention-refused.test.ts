import { afterAll, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { messageOf } from "../base/error.ts";
import { EngineRows } from "../engine/restate/engine-rows.testsuite.ts";
import { createRetention } from "../engine/restate/forget.ts";
import { retentionDefaults } from "../policy/retention.ts";
import { listedTasks, type Retention, startRetention } from "./retention.ts";

const hourMs = 3_600_000;
let rows: EngineRows;
let retention: Retention;
let errors: string[];
let passes: number;

beforeAll(async () => {
  rows = await EngineRows.open();
});
afterAll(() => rows.db.close());
beforeEach(async () => {
  await rows.empty();
  [errors, passes] = [[], 0];
  return async () => {
    await rows.db.exec("DROP TRIGGER refuse ON lh_task; DROP FUNCTION refuse");
    await retention.close();
  };
});

/** So many tasks of an agent that ended so long ago that they are due, the first of them the oldest. */
async function ended(agent: string, count: number): Promise<void> {
  await rows.db.exec(`
    INSERT INTO lh_task (id, agent, priority, not_before_at_ms, deadline_at_ms, depth, source, status, created_at_ms, ended_at_ms, status_since_ms, open_since_ms, recoveries, recoveries_without_progress, input, ended_as)
    SELECT '${agent}' || n, '${agent}', 0, 0, 0, 0, 'test', 'canceled', n, n, n, n, 0, 0, 'null', '{"status":"canceled","reason":"test"}' FROM generate_series(1, ${count}) AS n`);
}

/** Nobody can delete these. */
async function refuse(condition: string): Promise<void> {
  await rows.db.exec(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'this row cannot be deleted'; END $$;
    CREATE TRIGGER refuse BEFORE DELETE ON lh_task FOR EACH ROW WHEN (${condition}) EXECUTE FUNCTION refuse()`);
}

async function onePass(): Promise<void> {
  retention = startRetention({
    clock: rows.clock, isShared: true, policy: { ...retentionDefaults, longer: new Map() },
    engine: { retention: createRetention(rows.writer) },
    store: { forget: () => Promise.resolve(0) },
    upkeep: { forgetWorkers: () => Promise.resolve(), sweep: () => Promise.resolve(), shrink: () => Promise.resolve(void passes++) },
    onError: (error) => errors.push(messageOf(error)),
  });
  const before = errors.length + passes;
  await vi.waitFor(async () => {
    await rows.clock.advance(1_000, () => Promise.resolve());
    expect(errors.length + passes).toBeGreaterThan(before);
  }, { timeout: 40_000, interval: 1 });
}

const left = async (): Promise<readonly string[]> => (await rows.db.all("SELECT id FROM lh_task ORDER BY agent, created_at_ms")).map((row) => String(row["id"]));

it("forgets what is behind tasks that cannot be forgotten, of their agent and of the others, and says so once a pass", async () => {
  await rows.clock.advance(40 * 24 * hourMs, () => Promise.resolve());
  await ended("a", 2 * listedTasks + 50);
  await ended("b", 3);
  await refuse(`OLD.agent = 'a' AND OLD.created_at_ms <= ${listedTasks + 1}`);

  await onePass();

  expect(await left()).toEqual(Array.from({ length: listedTasks + 1 }, (_, n) => `a${n + 1}`));
  expect(errors).toEqual(["this row cannot be deleted"]);
  expect(passes, "the rest of the pass is done too").toBe(1);
});
