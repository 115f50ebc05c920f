import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { countMoves, countSections, findLostTasks, findPaidTwice, findUnwritten, readJournal } from "./demo/figures.ts";
import { createNarrator, type Narrator } from "./demo/narrator.ts";
import { setStage, type Stage, waitFor } from "./demo/stage.ts";
import { readDigests, type TeamProcess } from "./demo/team-process.ts";

// `npm run demo`: this example's team, killed, hung and made hollow, with the figures that show what came of it. Every figure is computed from the team's data
// file, the files that it wrote and the provider's receipts. Half a minute; no network beyond this machine; nothing stays behind.

const scanTimeoutMs = 40_000;
const hangingTool = { package: "glob", timeout: "3s" } as const;
const progressWithinMs = 6_000;
/** The promise of the alerting: a bad verdict reaches people within a minute. */
const alertWithinMs = 60_000;

async function play(stage: Stage, narrator: Narrator): Promise<void> {
  introduce(stage, narrator);
  const killed = await killInMidScan(stage, narrator);
  const resumed = await resume(stage, narrator, killed);
  await hangTool(stage, narrator, resumed);
  const hollow = await makeHollow(stage, narrator);
  await stop(narrator, hollow);
}

function introduce({ simulatorUrl, registry, receiver }: Stage, { step, say }: Narrator): void {
  step("What the team talks to, all of it on this machine");
  say(`model provider     ${simulatorUrl} (simulated; a receipt for every call)`, `npm registry       ${registry.url} (${registry.latest().length} recorded packages)`, `webhook receiver   ${receiver.url}`);
}

interface Killed {
  readonly atMs: number;
  readonly journal: Awaited<ReturnType<typeof readJournal>>;
}

async function killInMidScan(stage: Stage, { step, say, expect }: Narrator): Promise<Killed> {
  step("The team scans the registry and is killed in the middle");
  stage.model.latencyMs = 400;
  const team = stage.start({ RELEASE_WATCH_INTERVAL: "5m" });
  await team.said("Ctrl-C stops it");
  say(`longhaul start examples/release-watch/team.ts --no-supervisor   (process ${team.pid})`);
  // Two calls for each analysis: some are done by now, some under way, some not begun.
  await waitFor("nine answers of the provider", scanTimeoutMs, () => completedCalls(stage) >= 9);
  team.signal("SIGKILL");
  const atMs = Date.now();
  say(`kill -9 ${team.pid}   (ended by ${await team.ended})`);
  const journal = await readJournal(stage.query);
  const analyses = [...journal.tasks.values()].filter(({ agent }) => agent === "analyst");
  const done = analyses.filter(({ status }) => status === "done").length;
  say(`In the data file now: ${journal.tasks.size} tasks; ${done} of ${analyses.length} analyses done; ${journal.modelSteps.size} model calls written down.`);
  expect("analyses done before the kill", `${done} of ${analyses.length}`, done > 0 && done < analyses.length);
  return { atMs, journal };
}

async function resume(stage: Stage, { step, say, expect }: Narrator, { atMs, journal }: Killed): Promise<TeamProcess> {
  step("Started again, it goes on where it stopped");
  const team = stage.start({ RELEASE_WATCH_INTERVAL: "2s", RELEASE_WATCH_TOOL_TIMEOUT: hangingTool.timeout });
  const wanted = stage.registry.latest();
  await waitFor("the digest", scanTimeoutMs, async () => (await countTasks(stage, "digest", "done")) > 0);
  const after = await readJournal(stage.query);
  const digests = readDigests(stage.folder);
  const sections = countSections(wanted, digests.values());
  const moves = await countMoves(stage.query);
  const lost = findLostTasks(journal, after);
  const paidTwice = findPaidTwice(journal, stage.receipts(), atMs);
  const missing = [...sections].filter(([, count]) => count !== 1);
  say(`The digest: ${[...digests.keys()].join(", ")}`, ...firstLines([...digests.values()][0] ?? ""));
  expect("lost tasks", `${lost.length === 0 ? "none" : lost.join(", ")} of ${journal.tasks.size}`, lost.length === 0 && journal.tasks.size > 0);
  expect("releases that are in the digest exactly once", `${sections.size - missing.length} of ${sections.size}`, missing.length === 0 && sections.size > 0);
  expect("digests", `${digests.size}, put in place ${[...moves.values()].join(" + ")} time`, digests.size === 1 && moves.size === 1 && [...moves.values()][0] === 1);
  expect("model calls paid twice", `${paidTwice.length === 0 ? "none" : paidTwice.join(", ")} of the ${journal.modelSteps.size} written down before the kill`, paidTwice.length === 0 && journal.modelSteps.size > 0);
  say(`(${findUnwritten(journal, stage.receipts(), atMs).length} answers were still on their way when it was killed. Only those may be asked for again.)`);
  return team;
}

async function hangTool(stage: Stage, { step, say, expect }: Narrator, team: TeamProcess): Promise<void> {
  step(`A tool hangs: the registry falls silent about ${hangingTool.package}`);
  stage.model.latencyMs = 100;
  stage.registry.misbehave(hangingTool.package, "hang", ["facts"]);
  const published = ["chalk", hangingTool.package, "ws"].map((name) => publishPatch(stage, name));
  say(`New: ${published.join(", ")}. release_facts may take ${hangingTool.timeout}.`);
  const failed = "SELECT task_id, at_ms, duration_ms, reason FROM lh_record WHERE event_type = 'tool_call' AND tool_name = 'release_facts' AND result = 'error'";
  const [record] = await waitFor("the record of the tool that hung", scanTimeoutMs, async () => nonEmpty(await stage.query(failed)));
  const siblings = `SELECT other.id FROM lh_task hung JOIN lh_task other USING (parent_run_id) WHERE hung.id = '${String(record?.["task_id"])}'`;
  const meanwhile = await stage.query(`${siblings} AND other.status = 'done' AND other.ended_at_ms < ${Number(record?.["at_ms"])}`);
  say(`tool_call error after ${Number(record?.["duration_ms"])} ms: ${String(record?.["reason"])}`);
  expect("the tool that hung was ended after", `${(Number(record?.["duration_ms"]) / 1000).toFixed(1)} s`, String(record?.["reason"]).startsWith("timeout"));
  expect("analyses done meanwhile", meanwhile.length, meanwhile.length >= 2);
  await waitFor("the second digest", scanTimeoutMs, async () => (await countTasks(stage, "digest", "done")) > 1);
  const listed = [...readDigests(stage.folder).values()].flatMap((text) => text.split("\n")).find((line) => line.startsWith(`- ${hangingTool.package} `));
  say("The digest lists it:", `  ${listed ?? "nothing"}`);
  expect("in the digest, with the reason", listed === undefined ? "nothing" : hangingTool.package, listed?.includes("release_facts") === true);
  stage.registry.misbehave(hangingTool.package, null);
  team.signal("SIGTERM");
  expect("exit code after SIGTERM", await team.ended, (await team.ended) === 0);
}

async function makeHollow(stage: Stage, { step, say, expect }: Narrator): Promise<TeamProcess> {
  step("An agent does nothing: every analysis is rejected, yet digest after digest succeeds");
  stage.model.isHollow = true;
  stage.model.latencyMs = 0;
  const startedAtMs = Date.now();
  const team = stage.start({ RELEASE_WATCH_INTERVAL: "2s", RELEASE_WATCH_PROGRESS_WITHIN: `${progressWithinMs / 1000}s` });
  say(`Progress is expected within ${progressWithinMs / 1000} s of work. The simulated analyst now cites what no tool returned.`);
  await team.said("Ctrl-C stops it");
  const names = stage.registry.latest().map((release) => release.package);
  let published = 0;
  const isHollow = (): boolean => stage.receiver.messages.some(({ title }) => title === "digest is hollow");
  await waitFor("the message that digest is hollow", scanTimeoutMs, async () => {
    publishPatch(stage, names[published++ % names.length] ?? "ws");
    await sleep(1_500);
    return isHollow();
  });
  const verdict = (await stage.ask("health")).flatMap((answer) => answer["agents"] as readonly Readonly<Record<string, unknown>>[]).find(({ agent }) => agent === "digest");
  const message = stage.receiver.messages.find(({ title }) => title === "digest is hollow");
  const thresholdAtMs = (await lastProgressAtMs(stage, startedAtMs)) + progressWithinMs;
  const delayMs = (message?.atMs ?? Number.POSITIVE_INFINITY) - thresholdAtMs;
  say(`longhaul health: digest is ${String(verdict?.["health"])}. ${String(verdict?.["evidence"])}`);
  for (const { title } of stage.receiver.messages) say(`webhook: ${title}`);
  expect("longhaul health calls the digest flow", String(verdict?.["health"]), verdict?.["health"] === "hollow");
  expect("from the end of its interval to the message", `${(delayMs / 1000).toFixed(1)} s`, delayMs <= alertWithinMs);
  return team;
}

async function stop({ step, say, expect }: Narrator, team: TeamProcess): Promise<void> {
  step("Ctrl-C");
  team.signal("SIGINT");
  const code = await team.ended;
  say(team.lines.findLast((line) => line.startsWith("Stopped")) ?? "It said nothing.");
  expect("exit code after Ctrl-C", code, code === 0);
}

/** When the flow last accomplished something; its time counts from its start at the earliest. */
async function lastProgressAtMs(stage: Stage, startedAtMs: number): Promise<number> {
  const [row] = await stage.query("SELECT last_at_ms FROM lh_progress WHERE agent = 'digest'");
  return Math.max(startedAtMs, Number(row?.["last_at_ms"] ?? 0));
}

function completedCalls(stage: Stage): number {
  return stage.receipts().filter(({ outcome }) => outcome === "completed").length;
}

async function countTasks(stage: Stage, agent: string, status: string): Promise<number> {
  return (await stage.query(`SELECT id FROM lh_task WHERE agent = '${agent}' AND status = '${status}'`)).length;
}

/** Publishes the next patch release of a recorded package: made up, like nothing else in the recording. */
function publishPatch({ registry }: Stage, name: string): string {
  const version = (registry.latest().find((release) => release.package === name)?.version ?? "0.0.0").replace(/\d+$/, (patch) => String(Number(patch) + 1));
  registry.publish(name, { version, publishedAt: new Date().toISOString(), license: "MIT", dependencies: {} });
  return `${name} ${version}`;
}

function nonEmpty<T>(rows: readonly T[]): readonly T[] | null {
  return rows.length === 0 ? null : rows;
}

function firstLines(text: string): readonly string[] {
  return text.split("\n").filter((line) => /^(#|>|Risk)/.test(line)).slice(0, 6).map((line) => `  ${line.length > 140 ? `${line.slice(0, 139)}…` : line}`);
}

async function main(): Promise<number> {
  const beganMs = performance.now();
  console.log("Longhaul demo: a team that watches releases, and what happens to it. It takes half a minute.");
  const narrator = createNarrator((line) => console.log(line));
  const stage = await setStage();
  const interrupted = new Promise<never>((_, reject) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => reject(new Error(`The demo was stopped by ${signal}.`)));
  });
  try {
    await Promise.race([play(stage, narrator), interrupted]);
  } catch (error) {
    narrator.expect("the demo ran to its end", error instanceof Error ? error.message : String(error), false);
  } finally {
    await stage.clear();
  }
  const isAsPromised = narrator.conclude();
  console.log(`It took ${Math.round((performance.now() - beganMs) / 1000)} s. ${basename(import.meta.filename)} removed what it had written and ended what it had started.`);
  return isAsPromised ? 0 : 1;
}

// At once: what was interrupted may still wait for something.
process.exit(await main());
