import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it, onTestFinished } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { longhaul, type RunningProcess, root, startLonghaul, temporaryFolder } from "./fixture/longhaul.ts";

interface TaskRow {
  readonly id: string;
  readonly kind: string;
  readonly status: string;
  readonly reason: string | null;
  readonly recoveries: number;
}

const deadlyTeam = join(root, "test", "e2e", "fixture", "deadly-team.ts");
/** Crashes without progress that a task survives; the next one quarantines it. */
const crashesMax = 10;
/** Times that it may exhaust the memory: the last one quarantines it. */
const outOfMemoryMax = 3;
const livesMax = 20;

/** A team that is started again whenever it has died. */
function deadlyFolder() {
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  const log = join(folder.path, "world.log");
  const data = join(folder.path, "data");
  return {
    start: (): RunningProcess => {
      const team = startLonghaul(["start", deadlyTeam, "--data", data, "--json", "--port", "0"], { program: ["--max-old-space-size=160", "--conditions=longhaul-source", join(root, "src", "cli", "main.ts")] });
      onTestFinished(async () => {
        team.child.kill("SIGKILL");
        await team.ended;
      });
      return team;
    },
    submit: async (kind: string): Promise<void> => {
      const { exitCode, stderr } = await longhaul(["task", "worker", JSON.stringify({ kind, log }), "--data", data]);
      expect(exitCode, `it said ${stderr}`).toBe(0);
    },
    /** Every task, the oldest first. */
    tasks: (): readonly TaskRow[] => {
      const db = new DatabaseSync(join(data, "longhaul.db"), { readOnly: true, timeout: 5_000 });
      try {
        const rows = db.prepare("SELECT id, input ->> 'kind' AS kind, status, end ->> 'reason' AS reason, recoveries FROM lh_task ORDER BY created_at_ms, id").all();
        return rows.map((row) => ({ ...row })) as unknown as readonly TaskRow[];
      } finally {
        db.close();
      }
    },
    run: (...args: readonly string[]) => longhaul([...args, "--data", data]),
    world: () => (existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []),
  };
}

it.each([
  { what: "kills the process", culprit: "deadly", deathsMax: crashesMax + 1 },
  { what: "exhausts the memory", culprit: "hungry", deathsMax: outOfMemoryMax },
])("E12 quarantines the task that $what after $deathsMax times, and lets those that were executing beside it come to their end", async ({ culprit, deathsMax }) => {
  const { start, submit, tasks, world } = deadlyFolder();
  const first = start();
  await first.line((line) => line.includes('"event":"started"'));
  await submit("patient");
  await first.line((line) => line.includes("waiting(signal)"));
  expect(tasks()).toEqual([expect.objectContaining({ kind: "patient", status: "waiting" })]);
  first.child.kill("SIGTERM");
  expect(await first.ended).toBe(0);
  // Tasks that a stopped team takes begin together at its next start.
  for (const kind of ["slow", "slow", culprit, "slow"]) await submit(kind);

  let lives = 0;
  let team = start();
  const isOver = (): boolean => tasks().every(({ kind, status }) => (kind === "patient" ? status === "waiting" : status === "done" || status === "dead"));
  while (!isOver() && lives < livesMax) {
    const died = await Promise.race([team.ended, sleep(systemClock, 100).then(() => undefined)]);
    if (died === undefined) continue;
    lives++;
    team = start();
  }

  const [patient, ...others] = tasks();
  expect(patient).toMatchObject({ kind: "patient", status: "waiting", recoveries: 0 });
  expect(others.filter(({ kind }) => kind === culprit)).toEqual([expect.objectContaining({ status: "dead", reason: "recovery-limit", recoveries: deathsMax })]);
  const slow = others.filter(({ kind }) => kind === "slow");
  expect(slow.map(({ status }) => status), `of ${JSON.stringify(others)}`).toEqual(["done", "done", "done"]);
  expect(slow.some(({ recoveries }) => recoveries > 0), "they were executing when it crashed").toBe(true);
  // Whoever was in a crash beside it counts that crash too, but a step that ended was never executed again.
  expect(world().toSorted()).toEqual(slow.flatMap(({ id }) => [`${id} 1`, `${id} 2`]).toSorted());
  expect(lives).toBe(deathsMax);
  await team.line((line) => line.includes('"event":"started"'));
  team.child.kill("SIGTERM");
  expect(await team.ended).toBe(0);
});

it("names the task that kills the process, and how many crashes it has left", async () => {
  const { start, submit, tasks, run } = deadlyFolder();
  const first = start();
  await first.line((line) => line.includes('"event":"started"'));
  await submit("patient");
  await first.line((line) => line.includes("waiting(signal)"));
  await submit("deadly");
  await first.ended;
  for (let life = 0; life < 2; life++) await start().ended;
  const id = tasks().find(({ kind }) => kind === "deadly")?.id ?? "";

  const told = "it was executing when its process died: crash 2 of at most 10 without progress, and 2 of at most 100 in all; after that it is dead(recovery-limit)";
  expect((await run("show", id)).stdout).toContain(`crashes  ${told}`);
  expect((await run("logs", "--task", id)).stdout).toContain(told);
  const runs = (await run("runs", "--json")).stdout.trim().split("\n").map((line) => JSON.parse(line) as { readonly taskId: string; readonly crashes: number });
  expect(runs.map(({ taskId, crashes }) => [taskId === id, crashes])).toEqual([[true, 2], [false, 0]]);
  expect((await run("runs")).stdout).toContain("crashes");
});
