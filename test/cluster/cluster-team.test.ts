import { spawnSync } from "node:child_process";
import { defineAgent, defineFlow, defineTeam, secret, webhook } from "longhaul";
import { afterEach, expect, test } from "vitest";
import { PostgresDatabase } from "../../src/db/postgres.ts";
import { systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import { freePort } from "../../src/base/fixture/free-port.ts";
import type { ClusterPlace } from "../../src/runtime/cluster-place.ts";
import type { LiveTeam } from "../../src/runtime/live-team.ts";
import { clusterPlace, openClusterTeam, uniqueTeamName } from "../fixture/cluster-team.ts";
import { createSwitch } from "./fixture/switch.ts";

const opened: LiveTeam[] = [];
afterEach(async () => {
  for (const live of opened.splice(0)) await live.close();
});

async function open(...given: Parameters<typeof openClusterTeam>) {
  const team = await openClusterTeam(...given);
  opened.push(team.live);
  return team;
}

const adder = defineAgent({ name: "adder", run: async (ctx, input) => ctx.step("add", () => Number(input) + 1) });
const twice = defineFlow({ name: "twice", run: async (ctx, input) => (await ctx.call(adder, (await ctx.call(adder, input)).output)).output });

async function readAll(place: ClusterPlace, sql: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const db = await PostgresDatabase.open({ url: place.store, clock: systemClock, random: systemRandom });
  try {
    return await db.all(sql);
  } finally {
    await db.close();
  }
}

test("a team runs on Restate and PostgreSQL unchanged, and what it held is there for the next worker", async () => {
  const place = await clusterPlace();
  const definition = defineTeam({ name: uniqueTeamName(), agents: [adder], flows: [twice] });
  const seen: string[] = [];
  const first = await open(definition, place, { onRecord: ({ event_type: type, result }) => seen.push(`${type} ${result ?? ""}`) });
  await first.live.start();

  const { taskId } = await first.live.operations.submit({ agent: "twice", input: 40, source: "test" });

  expect(await first.live.operations.result(taskId)).toMatchObject({ status: "done", output: 42 });
  await opened.pop()?.close();
  expect(seen).toEqual(expect.arrayContaining(["start started", "task done(unverified)", "stop stopped"]));
  const second = await open(definition, place);
  expect(await second.live.operations.task(taskId)).toMatchObject({ status: "done", agent: "twice" });
  expect(await second.live.health()).toHaveLength(2);
});

test("workers that open an empty database at once bring it up to date once", async () => {
  const place = await clusterPlace();
  const definition = defineTeam({ name: uniqueTeamName(), agents: [adder] });

  await Promise.all([1, 2, 3].map(() => open(definition, place)));

  expect((await readAll(place, "SELECT name FROM lh_migration ORDER BY name")).map(({ name }) => name)).toEqual(["0001-engine", "0001-payload", "0001-store", "0002-engine", "0002-payload", "0002-store", "0003-engine"]);
});

test("the data of another team is not touched", async () => {
  const place = await clusterPlace();
  await open(defineTeam({ name: "first-team", agents: [adder] }), place);

  await expect(open(defineTeam({ name: "other-team", agents: [adder] }), place)).rejects.toMatchObject({ code: "STORE_VERSION", message: expect.stringContaining("holds the data of the team first-team, not of other-team") });
});

test("secrets are blanked out on their way to the database", async () => {
  const place = await clusterPlace();
  const telling = defineAgent({ name: "telling", run: async (ctx) => { await ctx.note("the key is sk-live-0123456789"); return ctx.step("say", () => 1); } });
  const notify = [webhook({ url: "http://127.0.0.1:1", headers: { authorization: secret("HOOK_TOKEN") } })];
  const { live } = await open(defineTeam({ name: uniqueTeamName(), agents: [telling], notify }), place, { environment: () => "sk-live-0123456789" });
  await live.start();
  await live.operations.result((await live.operations.submit({ agent: "telling", input: null, source: "test" })).taskId);

  const rows = await readAll(place, "SELECT reason || data AS text FROM lh_record");

  expect(rows.length).toBeGreaterThan(2);
  expect(JSON.stringify(rows)).not.toContain("sk-live-0123456789");
});

test("a worker that listens beyond this machine wants to know who calls", async () => {
  const place = await clusterPlace();

  await expect(open(defineTeam({ name: uniqueTeamName(), agents: [adder] }), { ...place, listen: { host: "0.0.0.0", port: 0 } })).rejects.toMatchObject({ code: "OPTION_INVALID", message: expect.stringContaining("identity key") });
});

test("a worker whose Restate does not answer, or is given the wrong way round, says so before it has its team open", async () => {
  const place = await clusterPlace();
  const team = defineTeam({ name: uniqueTeamName(), agents: [adder] });
  const { ingress, admin } = place.restate;

  await expect(open(team, { ...place, restate: { ingress: admin, admin: ingress } })).rejects.toMatchObject({ code: "OPTION_INVALID", message: `${admin} was given as Restate's ingress address (--restate-ingress), and is its admin address. Give the ingress address there; by default it has port 8080.` });
  await expect(open(team, { ...place, restate: { ingress, admin: ingress } })).rejects.toMatchObject({ code: "OPTION_INVALID", message: expect.stringContaining(`${ingress} was given as Restate's admin address (--restate-admin), and is its ingress address`) as string });
  const nobody = `127.0.0.1:${await freePort()}`;
  await expect(open(team, { ...place, restate: { ingress: `http://${nobody}`, admin } })).rejects.toMatchObject({ code: "ENGINE_UNREACHABLE", message: `Restate's ingress at http://${nobody} does not answer: connect ECONNREFUSED ${nobody}. Check that Restate runs, or give the right address with --restate-ingress.` });
});

test("health names Restate's ingress while it does not answer, and so does the worker", { timeout: 90_000 }, async () => {
  const place = await clusterPlace();
  const way = await createSwitch();
  const port = Number(new URL(place.restate.ingress).port);
  way.leadTo(port);
  const ingress = `http://127.0.0.1:${way.port}`;
  const { live, printed } = await open(defineTeam({ name: uniqueTeamName(), agents: [adder] }), { ...place, restate: { ...place.restate, ingress } });
  try {
    await live.start();
    const evidence = async (): Promise<string> => String((await live.health())[0]?.evidence);
    expect(await evidence()).not.toContain("does not answer");

    way.leadTo(1);
    await expect.poll(evidence, { timeout: 30_000 }).toContain(`Restate's ingress at ${ingress} does not answer`);
    expect(printed.join("\n")).toContain(`Restate's ingress at ${ingress} does not answer`);

    way.leadTo(port);
    await expect.poll(evidence, { timeout: 30_000 }).not.toContain("does not answer");
    expect(printed.join("\n")).toContain(`Restate's ingress at ${ingress} answers again.`);
  } finally {
    await opened.pop()?.close();
    await way.close();
  }
});

test("without Restate's SDK a cluster says what to type", () => {
  const code = `
    import { registerHooks } from "node:module";
    registerHooks({ resolve(specifier, context, next) {
      if (specifier === "@restatedev/restate-sdk") throw Object.assign(new Error("Cannot find package"), { code: "ERR_MODULE_NOT_FOUND" });
      return next(specifier, context);
    } });
    const { openLiveTeam } = await import(${JSON.stringify(import.meta.resolve("../../src/runtime/live-team.ts"))});
    const { defineAgent, defineTeam } = await import("longhaul");
    const { systemClock } = await import(${JSON.stringify(import.meta.resolve("../../src/base/clock.ts"))});
    const { systemRandom } = await import(${JSON.stringify(import.meta.resolve("../../src/base/random.ts"))});
    const team = defineTeam({ name: "t", agents: [defineAgent({ name: "a", run: async () => 1 })] });
    const restate = { ingress: "http://127.0.0.1:1", admin: "http://127.0.0.1:1" };
    const cluster = { store: "postgres://127.0.0.1:1/x", restate, listen: { host: "127.0.0.1", port: 0 } };
    await openLiveTeam({ team, cluster, dataDirectory: null, clock: systemClock, random: systemRandom, environment: () => undefined, print: console.log }).catch((error) => console.log(error.code, error.message));`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--conditions=longhaul-source", "--input-type=module", "--eval", code], { encoding: "utf8" });

  expect(stdout + stderr).toContain("ENGINE_DRIVER_MISSING A team on a cluster needs the packages @restatedev/restate-sdk and pg, which are not both installed. Type: npm install @restatedev/restate-sdk pg");
});
