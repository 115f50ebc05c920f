import { describe, expect, it } from "vitest";
import { createClient } from "longhaul/client";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { type Ended, openWorld, type StartOptions, type TeamProcess, until, type World } from "./fixture/world.ts";

/*
 * Threads that this answers: mastra-ai/mastra#10752 (a run said to be running 24 h after its host was gone), paperclipai/paperclip#4266 (a process that
 * hangs looks alive for ever), openclaw/openclaw#46287 (people cannot look while the work hangs).
 */

/** No command takes longer, whatever state the team is in: who waits for an answer that does not come waits a minute. */
const answerMsMax = 30_000;
const hourMs = 3_600_000;
const leaseMs = 1_000;

interface State {
  readonly name: string;
  /** What others find: it works, its process is gone, or it lives and renews nothing. */
  readonly owner: "works" | "is gone" | "hangs";
  readonly options?: StartOptions;
  /** Health reads instants of the wall clock: a step that executes seems to be silent since the clock was set. */
  readonly isJudgedByWall?: boolean;
  bring(world: World, team: TeamProcess): Promise<void>;
}

/** Past the lease, as others see it. */
async function untilSilent(world: World): Promise<void> {
  await sleep(systemClock, leaseMs);
  await until("the lease expires", () => Number(world.rows("SELECT renewed_monotonic_ms AS ms FROM lh_owner")[0]?.["ms"]) + leaseMs < systemClock.monotonicMs());
}

const stop = async (world: World, team: TeamProcess): Promise<void> => {
  team.signal("SIGSTOP");
  await untilSilent(world);
};

const spin = async (world: World, agent: string): Promise<void> => {
  await world.submit(agent, { spinMs: 60_000 });
  await until("it spins", () => world.log().some((line) => line.startsWith(`${agent} spin begin`)));
  await untilSilent(world);
};

const states: readonly State[] = [
  { name: "works", owner: "works", bring: async () => undefined },
  { name: "was killed", owner: "is gone", bring: async (_, team) => (team.signal("SIGKILL"), void (await team.ended)) },
  { name: "was stopped for longer than its lease", owner: "hangs", options: { leaseMs }, bring: stop },
  {
    name: "has a step that blocks its event loop for longer than its lease",
    owner: "hangs",
    options: { leaseMs },
    bring: (world) => spin(world, "spinner"),
  },
  { name: "has a transaction that blocks its event loop and the data file for longer than its lease", owner: "hangs", options: { leaseMs }, bring: (world) => spin(world, "locker") },
  { name: "works on a machine whose wall clock was set forward by an hour", owner: "works", isJudgedByWall: true, bring: async (world) => world.stepWall(hourMs) },
  { name: "works on a machine whose wall clock was set back by an hour", owner: "works", bring: async (world) => world.stepWall(-hourMs) },
  {
    name: "was stopped, and the wall clock set back by an hour",
    owner: "hangs",
    options: { leaseMs },
    async bring(world, team) {
      world.stepWall(-hourMs);
      await stop(world, team);
    },
  },
];

/** Tasks that are open, that wait and that have ended when the commands come. */
async function giveWork(world: World): Promise<{ readonly main: string; readonly waiting: string; readonly ended: string }> {
  const [ended, waiting] = await Promise.all([world.submit("patient", {}), world.submit("patient", {})]);
  await createClient({ dataDirectory: world.data }).cancel(ended);
  const main = await world.submit("counter", { job: "main", steps: 6, stepMs: 250 });
  await until("one task waits, one has ended, one executes", () => world.log().some((line) => line.startsWith("counter main/1 begin")) && statusOf(world, ended) === "canceled" && statusOf(world, waiting) === "waiting");
  return { main, waiting, ended };
}

const statusOf = (world: World, taskId: string): unknown => world.rows(`SELECT status FROM lh_task WHERE id = '${taskId}'`)[0]?.["status"];

const presence = { works: /^work runs \(pid \d+\)\.$/m, "is gone": /^work does not run: it ended without saying so.*longhaul start/m, hangs: /^work runs \(pid \d+\)\. It has written nothing for .*`longhaul start team\.ts` beside it takes over/m };

/** What is told of a request that nobody answers: why, and what to do. */
const unanswered = /^The team did not answer within .*has written nothing for .*`longhaul start team\.ts` beside it.*`longhaul ps` before you type it again.*\[CLIENT_UNREACHABLE\]$/m;

function expectAnswer(answer: Ended, exitCode: number | null, text: RegExp): void {
  expect(answer.text).toMatch(text);
  expect(answer.exitCode).toBe(exitCode);
  expect(answer.tookMs).toBeLessThan(answerMsMax);
}

async function expectReading(world: World, { owner, isJudgedByWall = false }: State, main: string): Promise<void> {
  const commands = [["ps"], ["health"], ["show", main], ["logs", "--limit", "5"], ["runs"], ["sql", "SELECT count(*) AS tasks FROM lh_task"]];
  const [ps, health, ...others] = (await world.runEach(commands)) as [Ended, Ended, ...Ended[]];
  expectAnswer(ps, 0, presence[owner]);
  expectAnswer(health, isJudgedByWall ? health.exitCode : owner === "works" ? 0 : 1, presence[owner]);
  for (const other of others) expectAnswer(other, 0, /counter|tasks/);
}

async function expectWriting(world: World, { owner }: State, { waiting, ended }: { readonly waiting: string; readonly ended: string }): Promise<void> {
  const [task, cancel, restart] = await Promise.all([world.run("task", "counter", '{"job":"given","steps":1,"stepMs":0}'), world.run("cancel", waiting), world.run("restart", ended)]);
  if (owner === "hangs") {
    for (const answer of [task, cancel, restart]) expectAnswer(answer, 1, unanswered);
    return;
  }
  expectAnswer(task, 0, owner === "works" ? / is queued\.$/m : / is queued\. The team does not run: it begins when it starts\.$/m);
  expectAnswer(cancel, 0, / is canceled\.$/m);
  expectAnswer(restart, 0, owner === "works" ? / is queued again for patient\.$/m : / is queued again for patient\. The team does not run: it begins when it starts\.$/m);
}

/** A second start is refused while the owner works, and takes over from one that does not. Returns whoever works then. */
async function expectSecondStart(world: World, { owner }: State, team: TeamProcess): Promise<TeamProcess> {
  const second = world.start();
  expect(await second.outcome).toMatch(owner === "works" ? refused(team) : /^works$/);
  expect(await (owner === "works" ? "works on" : team.ended)).toBe(owner === "works" ? "works on" : "SIGKILL");
  return owner === "works" ? team : second;
}

const refused = ({ pid }: TeamProcess): RegExp => new RegExp(`^It ended with 1:\\n.*Process ${pid} owns .*: it is alive and was heard of .* ago\\. Stop it, or give this one another --data directory\\. \\[ENGINE_OWNED\\]`);

/** Every task comes to its end, every step of it once, and the file is whole. */
async function expectUnharmed(world: World, main: string): Promise<void> {
  await until("all work is done", () => world.rows("SELECT 1 FROM lh_task WHERE agent <> 'patient' AND status <> 'done'").length === 0);
  expect(statusOf(world, main)).toBe("done");
  const steps = world.log().filter((line) => line.startsWith("counter main/")).map((line) => line.split(" "));
  expect(steps.filter(([, , what]) => what === "end").map(([, step]) => step)).toEqual([1, 2, 3, 4, 5, 6].map((step) => `main/${step}`));
  const begun = steps.filter(([, , what]) => what === "begin").map(([, step = ""]) => step);
  expect(begun).toEqual(begun.toSorted((a, b) => a.localeCompare(b)));
  expect(begun.length).toBeLessThanOrEqual(7);
  expect(world.rows("PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
}

describe("commands and a second start, while a team", { timeout: 90_000 }, () => {
  it.each(states)("$name", async (state) => {
    const world = openWorld();
    const team = await world.startWorking(state.options);
    const work = await giveWork(world);
    await state.bring(world, team);

    await expectReading(world, state, work.main);
    await expectWriting(world, state, work);
    const last = await expectSecondStart(world, state, team);

    await expectUnharmed(world, work.main);
    last.signal("SIGTERM");
    expect(await last.ended).toBe("0");
    expect(world.rows("SELECT pid FROM lh_owner")).toEqual([{ pid: null }]);
  });
});

it("a command waits for a team that was stopped for less than its lease, and nobody takes it for one that hangs", { timeout: 60_000 }, async () => {
  const world = openWorld();
  const team = await world.startWorking();
  await world.submit("counter", { job: "main", steps: 6, stepMs: 250 });
  await until("a step begins", () => world.log().length > 0);
  team.signal("SIGSTOP");
  const answers = Promise.all([world.run("task", "counter", '{"job":"given","steps":1,"stepMs":0}'), world.run("ps"), world.start().outcome]);
  await sleep(systemClock, 2_500);
  team.signal("SIGCONT");

  const [task, ps, second] = await answers;
  expectAnswer(task, 0, / is queued\.$/m);
  expectAnswer(ps, 0, presence.works);
  expect(second).toMatch(refused(team));
  await until("all work is done", () => world.rows("SELECT 1 FROM lh_task WHERE status = 'done'").length === 2);
  expect(world.log().filter((line) => line.includes("begin"))).toHaveLength(7);
  expect(team.lines.join("\n")).not.toContain("FENCED");
});
