import { once } from "node:events";
import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import { serve } from "@hono/node-server";
import { defineAgent, defineFlow, defineTeam } from "longhaul";
import { type ServerlessOptions, serveTeam } from "longhaul/serverless";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { freePort } from "../../src/base/fixture/free-port.ts";
import { queryRestate } from "../../src/engine/restate/fixture/restate-server.ts";
import type { ClusterPlace } from "../../src/runtime/cluster-place.ts";
import { clusterPlace, openClusterTeam, uniqueTeamName } from "../fixture/cluster-team.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let place: ClusterPlace;
const closing: (() => Promise<void>)[] = [];
beforeEach(async () => {
  place = await clusterPlace();
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** How many calls of the team's services Restate has under way. */
async function callsUnderWay(team: string): Promise<number> {
  const query = `SELECT count(*) AS n FROM sys_invocation WHERE target LIKE '%${team}%' AND status <> 'completed'`;
  return Number((await queryRestate(place.restate.admin, query))[0]?.["n"] ?? -1);
}

/** A team whose steps say where they executed. */
function teamAt(name: string, where: string) {
  const adder = defineAgent({ name: "adder", run: async (ctx, input) => ctx.step("add", () => [where, Number(input) + 1]) });
  const flow = defineFlow({
    name: "flow",
    async run(ctx, input) {
      const [first, second] = await Promise.all([ctx.call(adder, input), ctx.call(adder, 1)]);
      await ctx.sleep("200ms");
      const word = await ctx.waitFor("word");
      return [first.output, second.output, word.timedOut ? null : word.payload];
    },
  });
  return defineTeam({ name, agents: [adder], flows: [flow] });
}

/** The handler behind a server of HTTP/2 without encryption, as Restate calls by default. */
async function deploy(options: ServerlessOptions): Promise<{ readonly uri: string; readonly requests: () => number }> {
  let requests = 0;
  const served = await serveTeam(options);
  const port = await freePort();
  const sessions = new Set<ServerHttp2Session>();
  const server = serve({ hostname: "127.0.0.1", port, createServer, fetch: (request) => (requests++, served.fetch(request)) }) as Http2Server;
  server.on("session", (session) => sessions.add(session));
  closing.push(async () => {
    const closed = once(server, "close");
    server.close();
    for (const session of sessions) session.destroy();
    await closed;
    await served.close();
  });
  return { uri: `http://127.0.0.1:${port}`, requests: () => requests };
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const untilMs = systemClock.monotonicMs() + 20_000; !(await isSo()); await sleep(systemClock, 20)) if (systemClock.monotonicMs() > untilMs) throw new Error(`It did not come to be that ${what}.`);
}

test("a team behind a fetch handler executes by Restate's requests, waits without one, and a worker sees to what falls due", async () => {
  const name = uniqueTeamName();
  const { uri, requests } = await deploy({ team: teamAt(name, "handler"), store: place.store, restateIngress: place.restate.ingress, identityKeys: "anybody" });
  const { live } = await openClusterTeam(teamAt(name, "worker"), { ...place, uri });
  closing.push(() => live.close());
  await live.start();

  const { taskId } = await live.operations.submit({ agent: "flow", input: 40, source: "test" });
  await until("it waits for a word", async () => (await live.operations.task(taskId))?.waitingReason === "signal");
  await until("Restate has nothing under way", async () => (await callsUnderWay(name)) === 0);
  const asleep = requests();
  expect(asleep).toBeGreaterThan(2);
  await live.operations.signal(String((await live.operations.task(taskId))?.runId), "word", "go");

  expect(await live.operations.result(taskId)).toMatchObject({ status: "done", output: [["handler", 41], ["handler", 2], "go"] });
  expect(requests()).toBeGreaterThan(asleep);
});

test("a handler that anybody could call is refused, and so is a caller that is not Restate", async () => {
  const team = teamAt(uniqueTeamName(), "handler");
  const options = { team, store: place.store, restateIngress: place.restate.ingress };
  await expect(serveTeam({ ...options, identityKeys: [] })).rejects.toMatchObject({ code: "OPTION_INVALID", message: expect.stringContaining("identityKeys") as string });
  for (const [restateIngress, said] of [["restate:8080", '"restate:8080"'], [undefined as unknown as string, "missing"]] as const) {
    await expect(serveTeam({ ...options, identityKeys: "anybody", restateIngress })).rejects.toMatchObject({ code: "OPTION_INVALID", message: `restateIngress is ${said}, not http://host:port. Use, for instance, http://restate:8080.` });
  }
  const { uri } = await deploy({ ...options, identityKeys: ["publickeyv1_w7YHemBctH5Ck2nQRQ47iBBqhNHy4FV7t2Usbye2A6f"] });

  await expect(openClusterTeam(team, { ...place, uri }).then(async ({ live }) => {
    closing.push(() => live.close());
    await live.start();
  })).rejects.toMatchObject({ code: "ENGINE_UNREACHABLE" });
});
