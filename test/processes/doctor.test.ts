import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { gunzipSync } from "node:zlib";
import { defineAgent, defineTeam } from "longhaul";
import { afterAll, beforeAll, expect, it } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { checkBackup } from "../../src/cli/doctor/data-checks.ts";
import type { Check } from "../../src/cli/doctor/check.ts";
import { changeBackupLog } from "../../src/runtime/backup-log.ts";
import { longhaul, type RunOptions, teamFile, temporaryFolder } from "../e2e/fixture/longhaul.ts";
import { openDiskTeam } from "../fixture/disk-team.ts";
import { openWorld, startWorkingIn } from "./fixture/world.ts";

const folder = temporaryFolder();
const doctored = join(import.meta.dirname, "fixture", "doctor-team.ts");
afterAll(() => folder.remove());

async function examine(args: readonly string[], options: RunOptions = {}): Promise<{ readonly exitCode: number | null; readonly text: string; readonly checks: Readonly<Record<string, Check>> }> {
  const { exitCode, stdout, stderr } = await longhaul(["doctor", ...args, "--json"], options);
  const { checks } = JSON.parse(stdout || `{"checks":[]} ${stderr}`) as { readonly checks: readonly Check[] };
  return { exitCode, text: stdout + stderr, checks: Object.fromEntries(checks.map((check) => [check.name, check])) };
}

/** A data directory whose team was killed. */
const data = join(folder.path, "data");
beforeAll(async () => {
  await startWorkingIn(data, async (world, team) => {
    await world.submit("patient", {});
    team.signal("SIGKILL");
    await team.ended;
  });
}, 180_000);

it("names the keys, servers and secrets that a team lacks, and what to do; shows none that it has", { timeout: 240_000 }, async () => {
  const fresh = join(folder.path, "fresh");
  const env = { ANTHROPIC_API_KEY: "planted-anthropic-key", SERVER_KEY: "planted-server-key", HOOK_URL: "https://hooks.example/planted-hook-secret" };
  const [lacking, sound] = await Promise.all([examine([doctored, "--data", fresh], { env: { BROKEN: "1", SERVER_KEY: "planted-server-key" } }), examine([doctored, "--data", fresh], { env })]);

  expect(lacking.exitCode).toBe(1);
  expect(lacking.checks["model anthropic/claude-haiku-4-5"]).toMatchObject({ status: "fail", found: expect.stringContaining("ANTHROPIC_API_KEY") as string });
  expect(lacking.checks["MCP server broken"]).toMatchObject({ status: "fail", found: expect.stringContaining("no-such-program") as string });
  expect(lacking.checks["notifier webhook"]).toMatchObject({ status: "fail", found: expect.stringContaining("HOOK_URL") as string });
  expect(lacking.checks["model local/small"]).toMatchObject({ status: "ok", found: "simulated: nobody real answers" });
  expect(sound.exitCode).toBe(0);
  expect(sound.checks["MCP server files"]).toMatchObject({ status: "ok", found: expect.stringMatching(/^\d+ tools$/) as string });
  expect(sound.checks["model anthropic/claude-haiku-4-5"]).toMatchObject({ status: "ok" });
  expect(sound.checks["notifier webhook"]).toMatchObject({ status: "ok" });
  expect(lacking.text + sound.text).not.toContain("planted");
});

it("looks at the data of a team that was killed, at a team of another name, and ends with 0 when nothing fails", { timeout: 180_000 }, async () => {
  const people = await longhaul(["doctor", teamFile, "--data", data]);
  const { exitCode, checks } = await examine([teamFile, "--data", data]);

  expect(exitCode).toBe(0);
  expect(checks).toMatchObject({
    "data directory": { status: "ok" }, "data file": { status: "ok", found: expect.stringContaining("whole") as string }, format: { status: "ok" },
    owner: { status: "warn", next: `longhaul --data ${data} start team.ts` }, "left processes": { status: "ok" }, restore: { status: "ok" },
    backup: { status: "warn", found: "none was made of this directory" },
    team: { status: "warn", found: "cli-fixture, 6 agents; the data is that of work" },
    notifier: { status: "warn" },
  });
  expect(people.stdout).toMatch(/^ok {4}node /m);
  expect(people.stdout).toMatch(/^warn {2}owner +.*\n {6}Next: longhaul --data \S+ start team\.ts$/m);
  expect(people.stdout).toMatch(/^0 things fail, \d may fail later\.$/m);
});

it("ends with 1 for a file that is damaged, of a newer version, or that cannot be written beside", { timeout: 240_000 }, async () => {
  const copyOf = (name: string): string => {
    const path = join(folder.path, name);
    mkdirSync(path, { mode: 0o700 });
    const db = new DatabaseSync(join(data, "longhaul.db"));
    db.prepare("VACUUM INTO ?").run(join(path, "longhaul.db"));
    db.close();
    return path;
  };
  const damaged = copyOf("damaged");
  const bytes = readFileSync(join(damaged, "longhaul.db"));
  writeFileSync(join(damaged, "longhaul.db"), bytes.fill(7, 40_000, 60_000));
  const newer = copyOf("newer");
  const db = new DatabaseSync(join(newer, "longhaul.db"));
  db.exec("INSERT INTO lh_migration (name) VALUES ('0900-engine')");
  db.close();
  const open = copyOf("open");
  chmodSync(open, 0o755);

  const [first, second, third] = await Promise.all([damaged, newer, open].map((path) => examine(["--data", path])));

  expect(first?.exitCode).toBe(1);
  expect(first?.checks["data file"]).toMatchObject({ status: "fail", next: expect.stringMatching(/longhaul --data \S+ restore/) as string });
  expect(second?.exitCode).toBe(1);
  expect(second?.checks["format"]).toMatchObject({ status: "fail", found: expect.stringContaining("0900-engine") as string });
  expect(third?.checks["data directory"]).toMatchObject({ status: "warn", next: `chmod 700 ${open}` });
  rmSync(open, { recursive: true });
});

it("refuses Restate's addresses where no database is named, instead of looking at another installation", async () => {
  expect(await longhaul(["doctor", "--restate-admin", "http://127.0.0.1:9"])).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/--restate-admin is of a team on a cluster.*OPTION_INVALID/) as string });
});

it("looks at PostgreSQL and Restate with --store", { timeout: 180_000 }, async () => {
  const { exitCode, text, checks } = await examine(["--store", "postgres://ann:planted-password@127.0.0.1:9/none", "--restate-admin", "http://127.0.0.1:9", "--restate-ingress", "http://127.0.0.1:9"]);

  expect(exitCode).toBe(1);
  expect(checks).toMatchObject({ PostgreSQL: { status: "fail" }, "Restate ingress": { status: "fail", next: expect.stringContaining("--restate-ingress") as string }, "Restate admin": { status: "fail" } });
  expect(text).not.toContain("planted-password");
});

it("knows of the last backup, and how old it may be", { timeout: 180_000 }, async () => {
  const world = openWorld();
  const nowMs = systemClock.now();
  mkdirSync(world.data);
  const check = (): string => {
    const { status, found } = checkBackup({ path: world.data }, nowMs);
    return `${status} ${found}`;
  };
  const last = { path: world.data, atMs: nowMs - 3_600_000, recoveryPointAtMs: nowMs - 3_600_000, bytes: 1 };

  expect(check()).toMatch(/^warn none/);
  changeBackupLog(world.data, { last });
  expect(check()).toMatch(/^ok 1 h old, recovery point /);
  changeBackupLog(world.data, { everyMs: 900_000 });
  expect(check()).toMatch(/^fail 1 h old.*every 15 min$/);
  changeBackupLog(world.data, { everyMs: null, last: { ...last, atMs: nowMs - 90_000_000 } });
  expect(check()).toMatch(/^warn/);
  changeBackupLog(world.data, { last: { ...last, path: join(world.data, "gone") } });
  expect(check()).toMatch(/^fail .*is not there any more$/);
  changeBackupLog(world.data, { failing: { sinceMs: nowMs, message: "the disk is full" } });
  expect(check()).toMatch(/^fail fails since .*: the disk is full$/);
});

it("packs what helps into a bundle of bounded size, and none of the secrets that were planted", { timeout: 240_000 }, async () => {
  const at = join(folder.path, "leaky");
  const leaky = defineAgent({
    name: "leaky",
    run: async (ctx) => {
      const { ask } = ctx.tools({ ask: { execute: async (_input: object, _call: { readonly toolCallId: string }) => "planted-in-a-result" } }, { effects: { ask: "idempotent" } });
      for (let call = 0; call < 40; call++) await ask.execute({ apiKey: "planted-arg", headers: { "x-api-key": "planted-header" }, url: "https://ann:planted-url@crm.example/?token=planted-query", long: "x".repeat(10_000) }, { toolCallId: `c${call}` });
      await ctx.note("the CRM refused planted-crm-password, see postgres://bob:planted-db@db.example/crm");
      throw new Error("Authorization: Basic planted-basic was refused");
    },
  });
  const team = await openDiskTeam(defineTeam({ name: "doctored", agents: [leaky] }), { directory: at });
  await team.result(await team.submit("leaky", null));
  await team.close();
  const env = { ANTHROPIC_API_KEY: "planted-anthropic-key", SERVER_KEY: "planted-server-key", HOOK_URL: "https://hooks.example/planted-hook", CRM_PASSWORD: "planted-crm-password", DATABASE_URL: "postgres://bob:planted-db@db.example/crm" };
  const file = join(folder.path, "bundle.tar.gz");

  const { exitCode, stdout, stderr } = await longhaul(["doctor", doctored, "--data", at, "--bundle", file], { env });
  const again = await longhaul(["doctor", doctored, "--data", at, "--bundle", file], { env });

  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(stdout).toContain(file);
  expect(again.exitCode).toBe(2);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const unpacked = gunzipSync(readFileSync(file)).toString("latin1");
  expect(unpacked).not.toContain("planted");
  for (const name of ["README.txt", "doctor.json", "versions.json", "files.json", "team.json", "manifest.json", "health.json", "counts.json", "outbox.json", "schema.json", "records.jsonl"]) expect(unpacked).toContain(name);
  for (const kept of ['"longhaul": "0.1.0"', "CREATE TABLE lh_task", "crm.example", '"event_type":"tool_call"', '"dead"']) expect(unpacked).toContain(kept);
  // Each of the 40 calls has an argument of 10,000 characters, of which 300 are kept.
  expect(unpacked.length).toBeLessThan(300_000);
});
