import { defineAgent, defineTeam, defineTool, endpoint, webhook } from "longhaul";
import { createProviderSimulator, replyText, replyToolCall, toolResultsOf } from "longhaul/simulator";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import type { Clock } from "../../src/base/clock.ts";
import { VirtualClock } from "../../src/base/virtual-clock.ts";
import { QuestionTeller } from "../../src/runtime/tell-questions.ts";
import { type DiskTeam, openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";
import { openReceiver, type Receiver } from "../fixture/receiver.ts";

let directory: ReturnType<typeof temporaryDirectory>;
let receiver: Receiver;
let team: DiskTeam | null = null;
beforeEach(async () => {
  directory = temporaryDirectory();
  receiver = await openReceiver(() => 200);
});
afterEach(async () => {
  await team?.close();
  team = null;
  await receiver.close();
  directory.remove();
});

const minute = 60_000;
const hour = 60 * minute;

function payingTeam() {
  const pay = defineTool({ name: "pay", description: "Pays.", inputSchema: z.object({ to: z.string() }), effect: "once", needsApproval: true, approvalWithin: "1d", execute: () => "paid" });
  const simulator = createProviderSimulator({ script: (request) => (toolResultsOf(request).length > 0 ? replyText("done") : replyToolCall("pay", { to: "acme\u001B[2J" })) });
  const payer = defineAgent({ name: "payer", model: "simulated/a", instructions: "Pay.", tools: [pay], limits: { concurrency: 20 } });
  return defineTeam({
    name: "t", agents: [payer], notify: [webhook({ url: receiver.url })],
    endpoints: [endpoint({ name: "simulated", wire: "anthropic", baseUrl: "http://simulator.test", simulated: true, fetch: simulator.fetch })],
  });
}

async function go(open: DiskTeam, ms: number): Promise<void> {
  await receiver.pass(open, ms);
  await receiver.pass(open, 1_000);
}

const told = (): readonly unknown[] => receiver.posts.map(({ body }) => JSON.parse(body) as unknown);

test("a call that waits for a person is told at once, again after an hour, and as critical after four, over a restart", async () => {
  team = await openDiskTeam(payingTeam(), { directory: directory.path });
  await team.submit("payer", null);
  await go(team, 5_000);
  expect(told()).toMatchObject([{ severity: "warning", agent: "payer", title: "payer waits for a person", details: expect.stringMatching(/payer asks whether it may call pay \{"to":"acme\\+u001b\[2J"\}, until .*\nNext: `longhaul approve`\./) as string }]);

  await go(team, hour);
  expect(told().slice(1)).toMatchObject([{ severity: "warning", title: "payer waits for a person, for 1 h now" }]);

  const atMs = team.clock.now();
  await team.close();
  team = await openDiskTeam(payingTeam(), { directory: directory.path, startAtMs: atMs });
  await go(team, 2 * hour);
  expect(told()).toHaveLength(2);
  await go(team, hour);
  expect(told().slice(2)).toMatchObject([{ severity: "critical", title: "payer waits for a person, for 4 h now" }]);
  await go(team, 5 * hour);
  expect(told()).toHaveLength(3);
});

test("calls that come to wait within a minute of a message are told together, and what was answered is not told again", async () => {
  team = await openDiskTeam(payingTeam(), { directory: directory.path });
  const first = await team.submit("payer", null);
  await go(team, 2_000);
  await team.submit("payer", null);
  await team.submit("payer", null);
  await go(team, 2_000);
  expect(told()).toHaveLength(1);
  await go(team, minute);
  expect(told().slice(1)).toMatchObject([{ title: "2 tasks wait for a person", data: { count: 2 } }]);

  await team.live.operations.approve((await team.task(first)).runId ?? "", "allow");
  await go(team, hour);
  expect(told().slice(2)).toMatchObject([{ title: "2 tasks wait for a person, for 1 h now" }]);
});

test("looks that overlap tell once, and a wall clock that is set back silences nothing", async () => {
  let skewMs = 0;
  const virtual = new VirtualClock();
  const clock: Clock = { now: () => virtual.now() + skewMs, monotonicMs: () => virtual.monotonicMs(), setTimer: (ms, run) => virtual.setTimer(ms, run) };
  const titles: string[] = [];
  const teller = new QuestionTeller({
    team: "t", clock, store: { meta: { get: () => Promise.resolve(null) }, write: () => Promise.resolve() },
    alerting: { enqueue: ({ title }) => Promise.resolve(void titles.push(title)) },
    questionsOf: () => Promise.resolve([]), onError: (error) => expect.unreachable(String(error)),
  });
  const first = { agent: "a", taskId: "t_1", sinceMs: clock.now() };

  await Promise.all([teller.look([first]), teller.look([first])]);
  expect(titles).toEqual(["a waits for a person"]);

  skewMs = -hour;
  await teller.look([first, { agent: "b", taskId: "t_2", sinceMs: clock.now() }]);
  await virtual.advance(minute);
  expect(titles).toEqual(["a waits for a person", "b waits for a person"]);
  await teller.close();
});
