import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { defineAgent, defineTeam } from "../src/index.ts";
import { systemClock } from "../src/base/clock.ts";
import { seededRandom } from "../src/base/random.ts";
import { SqliteDatabase } from "../src/db/sqlite.ts";
import { openLiveTeam } from "../src/runtime/live-team.ts";
import { assertDone } from "./done.ts";

/**
 * How long a step takes, from its beginning to its commit, while a million rows of old journals are forgotten, and before.
 *
 *   npm run bench:forgetting                    1,000,000 rows
 *   npm run bench:forgetting -- --rows 100000
 */
const { values } = parseArgs({ options: { rows: { type: "string", default: "1000000" } } });
const rows = Number(values.rows);
const stepsPerTask = 50;
/** After the start. */
const firstPassMs = 60_000;
const dayMs = 86_400_000;
const directory = mkdtempSync(join(tmpdir(), "longhaul-forgetting-"));
const stamps: { readonly atMs: number; readonly tookMs: number }[] = [];

// The time of one step and its commit: nothing else happens between two steps.
const worker = defineAgent({
  name: "worker", limits: { concurrency: 10 },
  run: async (ctx) => {
    for (let step = 0; step < 100; step++) {
      const fromMs = performance.now();
      await ctx.step(`step ${step}`, () => step);
      stamps.push({ atMs: performance.now(), tookMs: performance.now() - fromMs });
    }
  },
});
const open = () => openLiveTeam({ team: defineTeam({ name: "forgetting", agents: [worker] }), dataDirectory: directory, clock: systemClock, random: seededRandom(1), environment: () => undefined, print: console.log });

/** Tasks that ended ten days ago. */
function fill(db: SqliteDatabase): void {
  const endedAtMs = systemClock.now() - 10 * dayMs;
  db.exec(`BEGIN;
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows / stepsPerTask})
      INSERT INTO lh_task (id, agent, priority, not_before_at_ms, deadline_at_ms, depth, source, status, created_at_ms, started_at_ms, ended_at_ms, status_since_ms, open_since_ms, run_id, recoveries, recoveries_without_progress, out_of_memory_without_progress, active_ms, input, end)
      SELECT 'old_' || i, 'worker', 0, 0, ${endedAtMs}, 0, 'bench', 'done', ${endedAtMs} + i, ${endedAtMs}, ${endedAtMs} + i, ${endedAtMs}, ${endedAtMs}, 'oldr_' || i, 0, 0, 0, 1, 'null', '{"status":"done","outcome":"unverified","output":1,"evidence":null,"reason":null}' FROM n;
    INSERT INTO lh_run (serial, id, task_id, number, agent_version, started_at_ms, begun_at_ms, recoveries, format, loop_version) SELECT serial, run_id, id, 1, '1', ${endedAtMs}, ${endedAtMs}, 0, 1, 1 FROM lh_task;
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${stepsPerTask})
      INSERT INTO lh_journal (run, number, kind, name, occurrence, attempt, started_at_ms, completed_at_ms, outcome) SELECT serial, i, 'code', 'step ' || i, 1, 1, ${endedAtMs}, ${endedAtMs}, '{"ok":true,"value":' || i || '}' FROM lh_run, n;
    COMMIT`);
}

/** The old rows are the first ones. */
function areLeft(): boolean {
  const reading = SqliteDatabase.openReadOnly(join(directory, "longhaul.db"));
  const found = reading.get("SELECT 1 FROM lh_journal WHERE position <= ? LIMIT 1", rows);
  reading.close();
  return found !== undefined;
}

function tell(what: string, from: number, until: number): void {
  const took = stamps.filter(({ atMs }) => atMs >= from && atMs < until).map(({ tookMs }) => tookMs).toSorted((a, b) => a - b);
  const at = (part: number): string => (took[Math.min(took.length - 1, Math.floor(took.length * part))] ?? 0).toFixed(1);
  console.log(`${what}: ${took.length} steps in ${((until - from) / 1000).toFixed(0)} s, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`);
}

await (await open()).close();
const db = SqliteDatabase.open(join(directory, "longhaul.db"));
fill(db);
db.close();
const team = await open();
await team.start();
const fromMs = performance.now();
let isOver = false;
const load = Array.from({ length: 10 }, async () => {
  while (!isOver) assertDone(await team.operations.result((await team.operations.submit({ agent: "worker", input: null, source: "bench" })).taskId));
});
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const begunMs = fromMs + firstPassMs;
while (areLeft()) await wait(500);
const endedMs = performance.now();
isOver = true;
await Promise.all(load);
tell("before", fromMs + 5_000, begunMs);
tell(`while ${rows.toLocaleString("en-US")} rows are forgotten`, begunMs, endedMs);
await team.drain(0);
await team.close();
rmSync(directory, { recursive: true, force: true });
