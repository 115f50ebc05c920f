import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { sleep, systemClock } from "../../base/clock.ts";
import { isLonghaulError } from "../../base/error.ts";
import { createIds } from "../../base/id.ts";
import { systemProcess } from "../../base/process.ts";
import { systemRandom } from "../../base/random.ts";
import { GroupCommit } from "../../db/group-commit.ts";
import { migrate } from "../../db/migration.ts";
import { SqliteDatabase } from "../../db/sqlite.ts";
import type { EngineContext, RunEnd } from "../engine.ts";
import { engineMigrations } from "./engine-migrations.ts";
import { acquireOwnership, type Ownership } from "./owner.ts";
import { createSqliteEngine } from "./sqlite-engine.ts";

/**
 * A process with an engine and one task, for tests that kill processes. Says on stdout what it does, one line each; what its steps do is appended to
 * `--log`, which stands for the world outside.
 */
const { values: options } = parseArgs({
  options: {
    data: { type: "string", default: "" },
    log: { type: "string", default: "" },
    steps: { type: "string", default: "6" },
    "step-ms": { type: "string", default: "20" },
    "hang-in": { type: "string", default: "" },
    /** Steps come to their end when there is this file. */
    "hold-until": { type: "string", default: "" },
    "die-once-in-each": { type: "boolean", default: false },
    "wait-ms": { type: "string", default: "0" },
    "lease-ms": { type: "string", default: "15000" },
    "never-kill": { type: "boolean", default: false },
  },
});
const stepMs = Number(options["step-ms"]);
const waitMs = Number(options["wait-ms"]);
const leaseMs = Number(options["lease-ms"]);

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const db = SqliteDatabase.open(options.data);
migrate(db, engineMigrations);
const ownership = await own();
const commit = new GroupCommit({ db, guard: ownership.guard });
const engine = createSqliteEngine({
  db, commit, ownership,
  clock: systemClock,
  ids: createIds(systemClock, systemRandom),
  apply: () => undefined,
  observe({ task }) {
    if (task.status === "waiting") say("waiting");
    return [];
  },
  onFenced() {
    say("fenced");
    process.exitCode = 3;
  },
});
await engine.run([{ name: "a", version: "1", concurrency: 1, queueMax: 10 }], work);
const nowMs = systemClock.now();
const task = { id: "job", agent: "a", input: null, key: null, priority: 0, notBeforeAtMs: nowMs, deadlineAtMs: nowMs + 3_600_000, depth: 0, source: "test" };
await engine.start(task);
try {
  const ended = engine.result("job");
  say("asked for the end");
  say(`ended ${JSON.stringify(await ended)}`);
  await engine.close();
  await commit.close();
  db.close();
} catch (error) {
  if (!isLonghaulError(error) || error.code !== "ENGINE_FENCED") throw error;
  say("refused");
}

/** Asks for the file until it gets it. */
async function own(): Promise<Ownership> {
  const self = systemProcess();
  const processInfo = options["never-kill"] ? { ...self, kill: () => undefined } : self;
  for (;;) {
    try {
      const ownership = acquireOwnership({ db, clock: systemClock, processInfo, leaseMs, renewMs: leaseMs / 3 });
      say(`owner ${ownership.epoch}`);
      return ownership;
    } catch (error) {
      if (!isLonghaulError(error) || error.code !== "ENGINE_OWNED") throw error;
      say("owned by another");
      await sleep(systemClock, leaseMs / 5);
    }
  }
}

async function work(ctx: EngineContext): Promise<RunEnd> {
  let pids = "";
  for (let step = 1; step <= Number(options.steps); step++) {
    pids += ` ${String(
      await ctx.step({ kind: "code", name: `s${step}` }, async () => {
        const isFirst = isNewToWorld(`begin ${step}`);
        appendFileSync(options.log, `begin ${step}\n`);
        say(`begin ${step}`);
        if (options["die-once-in-each"] && isFirst) await die();
        await sleep(systemClock, options["hang-in"] === `${step}` ? 600_000 : stepMs);
        while (options["hold-until"] !== "" && !existsSync(options["hold-until"])) await sleep(systemClock, 10);
        appendFileSync(options.log, `end ${step}\n`);
        return { outcome: { ok: true, value: process.pid } };
      }),
    )}`;
    if (waitMs > 0 && step === 2) await ctx.wait({ name: "nap", reason: "timer", timeoutMs: waitMs });
  }
  return { end: { status: "done", outcome: "unverified", output: pids.trim(), evidence: null, reason: null } };
}

function isNewToWorld(line: string): boolean {
  return !readFileSync(options.log, { encoding: "utf8", flag: "a+" }).split("\n").includes(line);
}

async function die(): Promise<never> {
  process.kill(process.pid, "SIGKILL");
  return await new Promise(() => undefined);
}
