import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createClient } from "longhaul/client";
import { expect, it } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { longhaul } from "../e2e/fixture/longhaul.ts";
import { openWorld, until, type World } from "./fixture/world.ts";

interface BackupAnswer {
  readonly path: string;
  readonly tasks: number;
  readonly openTasks: number;
  readonly recoveryPoint: string;
}

async function runJson<T>(world: World, ...args: readonly string[]): Promise<T> {
  const { exitCode, stdout, stderr } = await longhaul([...args, "--data", world.data, "--json"]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  return JSON.parse(stdout) as T;
}

const begun = (world: World, payment: string): number => world.log().filter((line) => line.startsWith(`payer ${payment} begin`)).length;
const ended = (world: World, payment: string): boolean => world.log().some((line) => line.startsWith(`payer ${payment} end`));

it("loses nothing of before the recovery point, doubles nothing of after it, and says since when work is lost: backup of a team that runs, kill -9, data gone, restore, start", { timeout: 300_000 }, async () => {
  const world = openWorld();
  const backupFile = join(world.data, "..", "backup.db");
  const team = await world.startWorking();
  const before = await world.submit("payer", { job: "before", payments: 3, payMs: 10 });
  await until("the first job is done", () => ended(world, "before/3"));
  const during = await world.submit("payer", { job: "during", payments: 6, payMs: 10, isHeld: true });
  world.allow("during", 1);
  await until("the second job is in its second payment", () => ended(world, "during/1") && begun(world, "during/2") === 1);
  const askedAtMs = systemClock.now();

  const backup = await runJson<BackupAnswer>(world, "backup", backupFile);

  expect(backup).toMatchObject({ path: backupFile, tasks: 2, openTasks: 1 });
  expect(Date.parse(backup.recoveryPoint)).toBeLessThanOrEqual(systemClock.now());
  expect(Date.parse(backup.recoveryPoint)).toBeGreaterThan(askedAtMs - 6_000);
  world.allow("during", 4);
  await until("more is paid", () => ended(world, "during/4") && begun(world, "during/5") === 1);
  const after = await world.submit("payer", { job: "after", payments: 2, payMs: 10 });
  await until("a third job is done", () => ended(world, "after/2"));
  const paid = world.log().flatMap((line) => /^payer (\S+) end/.exec(line)?.[1] ?? []);
  team.signal("SIGKILL");
  await team.ended;
  rmSync(world.data, { recursive: true });

  const restored = await longhaul(["restore", backupFile, "--data", world.data]);

  expect(restored).toMatchObject({ exitCode: 0 });
  expect(restored.stdout).toContain(`Next: longhaul --data ${world.data} start team.ts`);
  expect(restored.stdout).toContain(`Only look: longhaul --data ${world.data} ps`);
  expect((await longhaul(["health", "--data", world.data])).stdout).toContain(`goes on with \`longhaul --data ${world.data} start team.ts\``);
  expect(restored.stdout).toContain(`Lost is what was done after ${backup.recoveryPoint}.`);
  world.allow("during", 6);
  const again = await world.startWorking();
  await world.submit("payer", { job: "later", payments: 2, payMs: 10 });
  await until("new work is done, and nobody is asked about it", () => ended(world, "later/2"));
  expect((await world.run("show", before)).text).toMatch(/done/);
  expect((await world.run("show", after)).text).toContain("TASK_UNKNOWN");
  expect(again.lines.join("\n")).toContain("was restored from a backup");
  // Nobody knows of the payments that the backup does not have: each waits for a word. One was under way at the backup.
  const reasons: string[] = [];
  for (;;) {
    const [task] = await until("a call waits, or the job is done", () => {
      const found = world.rows(`SELECT status, run_id FROM lh_task WHERE id = '${during}' AND (waiting_reason = 'unknown-effect' OR status = 'done')`);
      return found.length > 0 && found;
    });
    if (task?.["status"] === "done") break;
    const runId = String(task?.["run_id"]);
    const [question] = world.rows("SELECT reason, tool_args FROM lh_record WHERE event_type = 'approval' AND result = 'asked' ORDER BY position DESC LIMIT 1");
    const { payment } = JSON.parse(String(question?.["tool_args"])) as { readonly payment: number };
    reasons[payment] = String(question?.["reason"]);
    await createClient({ dataDirectory: world.data }).approve(runId, ended(world, `during/${payment}`) ? "happened" : "retry");
    await until("the answer is taken", () => world.rows("SELECT 1 FROM lh_record WHERE event_type = 'approval' AND result = 'answered'").length === Object.keys(reasons).length);
  }
  expect(Object.keys(reasons).map(Number)).toEqual([2, 3, 4, 5, 6]);
  expect(reasons[6]).toContain(`the data was restored from a backup, and what was done after ${backup.recoveryPoint} is not known`);
  expect(paid).toHaveLength(9);
  for (const payment of [...paid, "later/1", "later/2"]) expect({ payment, begun: begun(world, payment) }).toEqual({ payment, begun: 1 });
  expect(ended(world, "during/6")).toBe(true);
  again.signal("SIGTERM");
  expect(await again.ended).toBe("0");
});

it("keeps what it replaces, fences it, and names what of it the backup lacks", { timeout: 180_000 }, async () => {
  const world = openWorld();
  const backupFile = join(world.data, "..", "backup.db");
  const team = await world.startWorking();
  await world.submit("payer", { job: "before", payments: 1, payMs: 1 });
  await until("the first job is done", () => ended(world, "before/1"));
  expect(await longhaul(["backup", backupFile, "--data", world.data])).toMatchObject({ exitCode: 0, stdout: expect.stringContaining(`longhaul --data ${world.data} restore ${backupFile}`) as string });
  const lost = await world.submit("payer", { job: "after", payments: 2, payMs: 1 });
  await until("the second job is done", () => ended(world, "after/2"));

  const refused = await world.run("restore", backupFile);

  expect(refused.exitCode).toBe(1);
  expect(refused.text).toMatch(/ENGINE_OWNED/);
  expect(world.rows(`SELECT 1 FROM lh_task WHERE id = '${lost}'`)).toHaveLength(1);
  team.signal("SIGSTOP");
  const data = new DatabaseSync(join(world.data, "longhaul.db"));
  data.exec("UPDATE lh_owner SET lease_ms = 1, renewed_monotonic_ms = 0");
  data.close();
  // A team that hangs is its people's to end.
  expect((await world.run("restore", backupFile)).text).toMatch(/ENGINE_OWNED/);
  team.signal("SIGKILL");
  await team.ended;

  const answer = await runJson<{ readonly replaced: string; readonly lost: object }>(world, "restore", backupFile);

  expect(answer.replaced).toMatch(/data\/replaced-\d{4}-/);
  expect(answer.lost).toMatchObject({ tasks: 1, ended: 0, effects: [{ tool: "pay", taskId: lost, isCompleted: true }, { tool: "pay", taskId: lost, isCompleted: true }] });
  expect(world.rows(`SELECT 1 FROM lh_task WHERE id = '${lost}'`)).toEqual([]);
  const old = new DatabaseSync(join(answer.replaced, "longhaul.db"), { readOnly: true });
  expect(old.prepare(`SELECT 1 FROM lh_task WHERE id = '${lost}'`).all()).toHaveLength(1);
  const epoch = Number(old.prepare("SELECT epoch FROM lh_owner").get()?.["epoch"]);
  old.close();
  // Whoever owned it cannot write it.
  expect(epoch).toBeGreaterThan(1);
  expect(Number(world.rows("SELECT epoch FROM lh_owner")[0]?.["epoch"])).toBeGreaterThan(epoch);
  expect(readdirSync(world.data).filter((name) => name.startsWith("longhaul.db"))).toEqual(["longhaul.db"]);
  const again = await world.startWorking();
  await world.submit("payer", { job: "later", payments: 1, payMs: 1 });
  await until("new work is done", () => ended(world, "later/1"));
  again.signal("SIGTERM");
  expect(await again.ended).toBe("0");
});

it("refuses what cannot be restored, and changes nothing", { timeout: 180_000 }, async () => {
  const world = openWorld();
  const file = (name: string): string => join(world.data, "..", name);
  const team = await world.startWorking();
  for (let job = 0; job < 40; job++) await world.submit("payer", { job: `${job} ${"x".repeat(3_000)}`, payments: 1, payMs: 1 });
  await until("all is paid", () => world.rows("SELECT 1 FROM lh_task WHERE status <> 'done'").length === 0);
  team.signal("SIGTERM");
  await team.ended;
  expect((await world.run("backup", file("good.db"))).exitCode).toBe(0);
  const good = readFileSync(file("good.db"));
  writeFileSync(file("cut.db"), good.subarray(0, good.length - 40_960));
  const torn = Buffer.from(good);
  torn.fill(7, good.length / 2, good.length / 2 + 20_000);
  writeFileSync(file("torn.db"), torn);
  writeFileSync(file("text.db"), "not a database at all, but longer than the header of one would be: ".repeat(20));
  new DatabaseSync(file("other.db")).exec("CREATE TABLE lh_migration (name TEXT)");
  copyFileSync(file("good.db"), file("newer.db"));
  const newer = new DatabaseSync(file("newer.db"));
  newer.exec("INSERT INTO lh_migration (name) VALUES ('0900-engine')");
  newer.close();
  const before = readFileSync(join(world.data, "longhaul.db"));

  const answers = await world.runEach([["restore", file("cut.db")], ["restore", file("torn.db")], ["restore", file("text.db")], ["restore", file("newer.db")], ["restore", file("none.db")], ["restore", file("other.db")], ["backup", file("good.db")]]);

  expect(answers.map(({ exitCode, text }) => [exitCode, /\[([A-Z_]+)\]/.exec(text)?.[1]])).toEqual([
    [1, "BACKUP_DAMAGED"], [1, "BACKUP_DAMAGED"], [1, "BACKUP_DAMAGED"], [1, "STORE_VERSION"], [1, "STORE_NOT_FOUND"], [1, "BACKUP_DAMAGED"], [1, "BACKUP_EXISTS"],
  ]);
  expect(answers[3]?.text).toContain("Upgrade longhaul");
  const owner = "SELECT pid FROM lh_owner";
  expect(world.rows(owner)).toEqual([{ pid: null }]);
  expect(readFileSync(join(world.data, "longhaul.db")).length).toBe(before.length);
  expect(readdirSync(world.data).filter((name) => /restoring|replaced/.test(name))).toEqual([]);
  expect(existsSync(file("good.db.partial"))).toBe(false);
  expect((await world.run("backup", file("good.db"), "--force")).exitCode).toBe(0);
  expect((await world.run("restore", file("good.db"))).exitCode).toBe(0);
});
