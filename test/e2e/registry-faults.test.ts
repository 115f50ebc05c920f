import { afterEach, expect, it } from "vitest";
import { askTeam, type TeamProcess } from "../../examples/release-watch/demo/team-process.ts";
import type { Misbehaviour } from "../../examples/release-watch/recorded-registry.ts";
import { openWatchedTeam, publishNext, waitUntil, type WatchedTeam } from "./watched-team.ts";

const timeoutMs = 30_000;
/** So that a registry that hangs is given up within the test. */
const impatience = { RELEASE_WATCH_REGISTRY_TIMEOUT_MS: "300" };
const packages = ["one", "two", "@scoped/three"];

let team: WatchedTeam;

afterEach(() => team.close());

const faults: readonly { readonly fault: Misbehaviour; readonly words: string }[] = [
  { fault: "refuse", words: "socket hang up" },
  { fault: "hang", words: "network timeout" },
  { fault: "garbage", words: "invalid json" },
  { fault: "error", words: "500 internal server error" },
];

it("whatever the registry does, the scout dies visibly, the team stays, and the next scout succeeds when the registry is back", async () => {
  team = await openWatchedTeam({ packages, latencyMs: 0 });
  team.registry.misbehave("*", "refuse");
  const running = await begin(impatience);
  for (const { fault, words } of faults) {
    team.registry.misbehave("*", fault);
    await waitUntil(`a scout that died of ${fault}`, timeoutMs, async () => (await reasonsOfDeath()).some((reason) => reason.includes(words)), () => running.lines.slice(-20).join("\n"));
  }

  expect(running.hasEnded()).toBe(false);
  for (const reason of await reasonsOfDeath()) expect(reason).toContain("the registry answered for no package: ");
  const health = (await askTeam(team.folder, ["health"]))[0]?.["agents"];
  expect(health).toContainEqual(expect.objectContaining({ agent: "scout", health: "down" }));
  expect(team.receipts(), "model calls without news").toEqual([]);

  team.registry.misbehave("*", null);
  const releases = team.registry.latest();
  await waitUntil("the digest", timeoutMs, () => [...team.sections(releases).values()].every((count) => count === 1), () => running.lines.slice(-20).join("\n"));
  running.signal("SIGTERM");
  expect(await running.ended).toBe(0);
});

it("one package that the registry does not answer for is named, and is looked at when it answers again", async () => {
  team = await openWatchedTeam({ packages, latencyMs: 0 });
  team.registry.misbehave("two", "garbage");
  const running = await begin();
  const releases = team.registry.latest();
  const others = releases.filter((release) => release.package !== "two");
  await waitUntil("the digest of the others", timeoutMs, () => [...team.sections(others).values()].every((count) => count === 1), () => running.lines.slice(-20).join("\n"));
  expect(team.sections(releases).get("two 1.0.0")).toBe(0);
  expect(await running.said("no answer for 1: two (")).toContain("2 releases to look at");

  team.registry.misbehave("two", null);
  await waitUntil("the digest of the last one", timeoutMs, () => [...team.sections(releases).values()].every((count) => count === 1), () => running.lines.slice(-20).join("\n"));
});

it("a second start finds nothing new, says so, and asks no model", async () => {
  team = await openWatchedTeam({ packages, latencyMs: 0 });
  const first = await begin({ RELEASE_WATCH_INTERVAL: "1h" });
  const releases = team.registry.latest();
  await waitUntil("the digest", timeoutMs, async () => [...team.sections(releases).values()].every((count) => count === 1) && (await countOpen()) === 0, () => first.lines.join("\n"));
  first.signal("SIGTERM");
  expect(await first.ended).toBe(0);
  const calls = team.receipts().length;
  expect(calls).toBeGreaterThan(0);

  const second = await begin({ RELEASE_WATCH_INTERVAL: "1h" });
  expect(await second.said("nothing new")).toContain(`Checked ${packages.length} packages: nothing new.`);
  second.signal("SIGTERM");
  expect(await second.ended).toBe(0);
  expect(team.receipts().length - calls, "model calls of the second start").toBe(0);
  expect(team.digests().size).toBe(1);
});

it("a release that comes while the team is down is found at the next start", async () => {
  team = await openWatchedTeam({ packages, latencyMs: 0 });
  const first = await begin();
  await waitUntil("the first digest", timeoutMs, () => team.digests().size === 1, () => first.lines.join("\n"));
  first.signal("SIGKILL");
  await first.ended;
  const releases = publishNext(team.registry, 1);

  const second = await begin();
  await waitUntil("the second digest", timeoutMs, () => [...team.sections(releases).values()].every((count) => count === 1), () => second.lines.join("\n"));
  expect([...team.digests().values()].join("\n")).toContain('- dependenciesAdded: ["needed-since-1"]');
});

async function begin(environment: Readonly<Record<string, string>> = {}): Promise<TeamProcess> {
  const started = team.start(environment);
  await started.said("Ctrl-C stops it");
  return started;
}

async function reasonsOfDeath(): Promise<readonly string[]> {
  const records = await team.query("SELECT reason FROM lh_record WHERE agent_id = 'scout' AND event_type = 'task' AND result = 'dead(rejected)'");
  return records.map((record) => String(record["reason"]).toLowerCase());
}

async function countOpen(): Promise<number> {
  return [...(await team.journal()).tasks.values()].filter((task) => task.status !== "done" && task.status !== "dead").length;
}
