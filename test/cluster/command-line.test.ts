import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { until } from "../../src/base/fixture/until.ts";
import { systemRandom } from "../../src/base/random.ts";
import { PostgresDatabase } from "../../src/db/postgres.ts";
import { freePort } from "../../src/base/fixture/free-port.ts";
import type { ClusterPlace } from "../../src/runtime/cluster-place.ts";
import { type RunningProgram, runLonghaul } from "../docs/team-process.ts";
import { clusterPlace } from "../fixture/cluster-team.ts";
import { type Balancer, createBalancer } from "./fixture/balancer.ts";
import { createSwitch } from "./fixture/switch.ts";

vi.setConfig({ testTimeout: 180_000 });

const teamFile = join(import.meta.dirname, "fixture", "command-line-team.ts");
const folder = mkdtempSync(join(tmpdir(), "longhaul-cluster-cli-"));
const running = new Set<RunningProgram>();
let place: ClusterPlace;
let ports: readonly number[];
/** What Restate calls: whichever worker is there. */
let balancer: Balancer;
beforeAll(async () => {
  place = await clusterPlace();
  ports = [await freePort(), await freePort()];
  balancer = await createBalancer({ targets: ports, health: "speaks" });
});
afterAll(async () => {
  for (const program of running) program.signal("SIGKILL");
  await Promise.all([...running].map(({ ended }) => ended));
  await balancer.close();
  rmSync(folder, { recursive: true, force: true });
});

/** `longhaul start` with these flags, as a worker at one of the ports behind the balancer. All workers share a data directory. */
async function startWorker(at: 0 | 1, ingress = place.restate.ingress, ...flags: readonly string[]): Promise<RunningProgram> {
  const { admin } = place.restate;
  const worker = runLonghaul(["start", teamFile, "--json", "--data", folder, "--port", "0", "--store", place.store, "--restate-ingress", ingress, "--restate-admin", admin, "--listen", `127.0.0.1:${ports[at]}`, "--advertise", `http://127.0.0.1:${balancer.port}`, ...flags]);
  running.add(worker);
  await worker.said('"event":"started"');
  return worker;
}

async function stop(worker: RunningProgram): Promise<void> {
  worker.signal("SIGTERM");
  expect(await worker.ended).toBe(0);
  running.delete(worker);
}

async function submit(worker: RunningProgram, agent: string): Promise<unknown> {
  const { url } = JSON.parse(await worker.said('"event":"started"')) as { readonly url: string };
  const headers = { authorization: `Bearer ${readFileSync(join(folder, "token"), "utf8").trim()}`, "content-type": "application/json" };
  const submitted = await fetch(`${url}/api/v1/tasks`, { method: "POST", headers, body: JSON.stringify({ agent, input: 40 }) });
  const { taskId } = (await submitted.json()) as { readonly taskId: string };
  return await (await fetch(`${url}/api/v1/tasks/${taskId}?wait=20s`, { headers })).json();
}

test("workers start on a cluster by flags, work, drain and leave, and the next one finds what they did", async () => {
  const first = await startWorker(0);
  expect(JSON.parse(await first.said('"event":"started"'))).toMatchObject({ store: `PostgreSQL at ${new URL(place.store).host}${new URL(place.store).pathname}` });
  expect(await submit(first, "twice")).toMatchObject({ status: "done", output: 42 });
  await stop(first);

  const second = await startWorker(1);

  expect(await submit(second, "twice")).toMatchObject({ status: "done", output: 42 });
  await stop(second);
});

/** A command beside the workers, which knows nothing but the database. */
const beside = (args: readonly string[]): RunningProgram => runLonghaul(args, { LONGHAUL_STORE: place.store, LONGHAUL_DATA: join(folder, "nothing") });

/** What it says, and how it ended. */
async function longhaul(...args: readonly string[]): Promise<{ readonly exitCode: unknown; readonly answer: Readonly<Record<string, unknown>>; readonly errors: string }> {
  const program = beside([...args, "--json"]);
  const exitCode = await program.ended;
  return { exitCode, answer: JSON.parse(program.lines[0] ?? "{}") as Readonly<Record<string, unknown>>, errors: program.errors.join("\n") };
}

/** What it says to people. */
async function said(...args: readonly string[]): Promise<string> {
  const program = beside(args);
  await program.ended;
  return program.lines.join("\n");
}

test("commands see and steer a team of two workers by its database alone", async () => {
  const [first, second] = [await startWorker(0), await startWorker(1)];
  await until("somebody has the duties", async () => (await longhaul("ps")).answer["isRunning"] === true);
  expect((await longhaul("ps")).answer).toMatchObject({ team: "command-line", pid: null, agents: [{ name: "adder" }, { name: "holder" }, { name: "twice", kind: "flow" }] });
  expect((await longhaul("health")).exitCode).toBe(0);

  const { answer: done } = await longhaul("task", "twice", "40", "--wait");
  expect(done).toMatchObject({ status: "done", output: 42 });
  expect((await longhaul("show", String(done["id"]))).answer).toMatchObject({ task: { id: done["id"], status: "done" } });
  expect((await longhaul("sql", "SELECT count(*) AS n FROM lh_task WHERE agent = 'adder' AND status = 'done'")).answer["n"]).toBeGreaterThanOrEqual(2);
  expect((await longhaul("fork", String(done["id"]), "--from", "2")).answer).toMatchObject({ created: true, served: 1 });

  const file = join(folder, "held");
  const { answer: held } = await longhaul("task", "holder", JSON.stringify(file));
  await until("the worker holds its step", () => existsSync(`${file}.begun`));
  expect(await longhaul("cancel", String(held["taskId"]))).toMatchObject({ exitCode: 0, answer: { canceled: true } });
  await until("the worker knows", () => existsSync(`${file}.aborted`));
  expect((await longhaul("cancel", String(held["taskId"]))).exitCode).toBe(1);
  expect((await longhaul("restart", String(held["taskId"]))).answer).toMatchObject({ status: "queued" });
  await longhaul("cancel", String(held["taskId"]));

  expect((await longhaul("breakers", "tool none", "--isolate", "it moves")).answer).toEqual({ dependency: "tool none", before: "closed", state: "isolated" });
  expect((await longhaul("breakers")).answer).toEqual({ dependency: "tool none", state: "isolated", reason: "it moves", until: null });
  expect((await longhaul("breakers", "tool none", "--close")).answer).toMatchObject({ before: "isolated", state: "closed" });

  await Promise.all([stop(first), stop(second)]);
  expect((await longhaul("ps")).answer).toMatchObject({ isRunning: false });
  const { answer: kept } = await longhaul("task", "adder", "1", "--key", "while nobody is there");
  const third = await startWorker(0);
  expect((await longhaul("task", "adder", "1", "--key", "while nobody is there", "--wait")).answer).toMatchObject({ id: kept["taskId"], output: 2 });
  await stop(third);
});

test("logs --follow goes on with what other processes of the cluster write", async () => {
  const before = (await longhaul("task", "adder", "1")).answer;
  const follower = runLonghaul(["logs", "--follow", "--limit", "1", "--json"], { LONGHAUL_STORE: place.store, LONGHAUL_DATA: join(folder, "nothing") });
  running.add(follower);
  await follower.said(String(before["taskId"]));

  const { answer } = await longhaul("task", "adder", "2");

  await follower.said(String(answer["taskId"]));
  expect(follower.lines).toHaveLength(2);
  follower.signal("SIGKILL");
  await follower.ended;
  running.delete(follower);
});

test.each([
  { args: ["ps", "--store", "postgres://127.0.0.1:1/none"], code: "STORE_UNREACHABLE", says: "127.0.0.1:1/none" },
  { args: ["cancel", "t_none"], code: "TASK_UNKNOWN", says: "t_none" },
  { args: ["task", "nobody", "1"], code: "AGENT_UNKNOWN", says: "adder, holder, twice" },
  { args: ["ps", "--store", "mysql://me:secret@db/x"], code: "OPTION_INVALID", says: "postgres://" },
])("$args.0 $args.1 says what is wrong: $code", async ({ args, code, says }) => {
  const { exitCode, errors } = await longhaul(...args);

  expect(exitCode).toBe(1);
  expect(errors).toContain(code);
  expect(errors).toContain(says);
  expect(errors).not.toContain("secret");
});

test("a worker without --advertise beside one behind a balancer, and one with Restate's addresses the wrong way round, end with one error and no second try", async () => {
  const { ingress, admin } = place.restate;
  const first = await startWorker(0);
  const start = async (...flags: readonly string[]): Promise<{ readonly exitCode: unknown; readonly errors: readonly string[] }> => {
    const program = runLonghaul(["start", teamFile, "--json", "--data", folder, "--port", "0", "--store", place.store, ...flags]);
    running.add(program);
    const exitCode = await program.ended;
    running.delete(program);
    return { exitCode, errors: program.errors.filter((line) => line.includes("OPTION_INVALID")) };
  };

  const alone = await start("--restate-ingress", ingress, "--restate-admin", admin, "--listen", `127.0.0.1:${await freePort()}`);
  const swapped = await start("--restate-ingress", admin, "--restate-admin", ingress, "--listen", `127.0.0.1:${ports[1]}`);

  expect(alone).toEqual({ exitCode: 1, errors: [expect.stringContaining(`Give --advertise http://127.0.0.1:${balancer.port}`)] });
  expect(swapped).toEqual({ exitCode: 1, errors: [expect.stringContaining(`${admin} was given as Restate's ingress address (--restate-ingress), and is its admin address`)] });
  expect(await submit(first, "twice")).toMatchObject({ status: "done" });
  await stop(first);
});

test("a worker whose address to listen on is taken says so, and gives nothing else up", async () => {
  const first = await startWorker(0);

  await expect(startWorker(0)).rejects.toThrow(`listen is 127.0.0.1:${ports[0]}, which cannot be used`);

  expect(await submit(first, "twice")).toMatchObject({ status: "done" });
  await stop(first);
});

test("a worker's console shows no terminal controls that somebody wrote into the database", async () => {
  const db = await PostgresDatabase.open({ url: place.store, clock: systemClock, random: systemRandom });
  onTestFinished(() => db.close());
  const worker = await startWorker(0);
  await db.run("INSERT INTO lh_worker (name, uri, is_advertised, seen_at) VALUES ('odd', $1, true, clock_timestamp())", "http://x\u001B[2J:1");
  onTestFinished(async () => void (await db.run("DELETE FROM lh_worker WHERE name = 'odd'")));

  await expect.poll(() => worker.errors.join("\n"), { timeout: 40_000 }).toContain("not at http://x");

  expect(worker.errors.join("\n")).not.toContain("\u001B");
  await stop(worker);
});

test("commands name the workers: who has the duties, who does not reach Restate, who is gone", { timeout: 120_000 }, async () => {
  const way = await createSwitch();
  onTestFinished(() => way.close());
  way.leadTo(Number(new URL(place.restate.ingress).port));
  const db = await PostgresDatabase.open({ url: place.store, clock: systemClock, random: systemRandom });
  onTestFinished(() => db.close());
  const first = await startWorker(0);
  const workers = async (): Promise<unknown> => (await longhaul("ps")).answer["workers"];
  const shape = { name: expect.stringMatching(/^.+, pid \d+ \(w_\w+\)$/) as string, address: `http://127.0.0.1:${balancer.port}`, state: "live", hasDuties: false, seenAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string, silentMs: expect.any(Number) as number, trouble: null };
  await expect.poll(workers, { timeout: 30_000 }).toEqual([{ ...shape, hasDuties: true }]);
  const second = await startWorker(1, `http://127.0.0.1:${way.port}`, "--no-supervisor");
  await expect.poll(workers, { timeout: 30_000 }).toEqual([{ ...shape, hasDuties: true }, shape]);
  expect((await longhaul("health")).answer["workers"]).toEqual({ live: 2, gone: 0, troubled: [] });

  way.leadTo(1);
  const trouble = expect.stringContaining(`Restate's ingress at http://127.0.0.1:${way.port} does not answer`) as string;
  await expect.poll(workers, { timeout: 45_000 }).toEqual([{ ...shape, hasDuties: true }, { ...shape, trouble }]);
  expect(await longhaul("health")).toMatchObject({ exitCode: 0, answer: { isBad: false, workers: { live: 2, gone: 0, troubled: [{ name: shape.name, trouble }] } } });
  expect(await said("health")).toMatch(/2 workers live\. 1 of them does not reach Restate: .*, pid \d+ \(w_\w+\): Restate's ingress at .* does not answer/);
  expect(await said("ps")).toMatch(/\nworker +address +seen +duties +state\n.*, pid \d+ .* yes +live\n.*, pid \d+ .* Restate's ingress at .*\n\nagent/);

  second.signal("SIGKILL");
  await second.ended;
  running.delete(second);
  // Half a minute later.
  await db.run("UPDATE lh_worker SET seen_at = seen_at - interval '31 s' WHERE trouble IS NOT NULL");
  expect(await workers()).toEqual([{ ...shape, hasDuties: true }, { ...shape, state: "gone" }]);
  expect((await longhaul("health")).answer["workers"]).toEqual({ live: 1, gone: 1, troubled: [] });
  await stop(first);
});
