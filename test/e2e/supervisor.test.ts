import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { longhaul, type RunningProcess, temporaryFolder } from "./fixture/longhaul.ts";
import { isAlive, json, newFolder, program, teamFile, until, untilGone } from "./fixture/supervised-folder.ts";

const stepsOf = (taskId: string, count: number): readonly string[] => Array.from({ length: count }, (_, index) => `${taskId} ${index + 1}`);
const workers = (team: RunningProcess): number => team.lines.filter((line) => line.includes('"event":"started"')).length;

describe("a worker that was killed", () => {
  it("is followed by another one, which goes on with its run; records, health and people say so, and no process stays behind", async () => {
    const { start, submit, workerPid, untilWorld, untilDone, world, records, run } = newFolder();
    const team = await start("--drain", "5s");
    const taskId = await submit({ kind: "steady", steps: 8 });
    await untilWorld(2);
    const first = workerPid();
    const finished = world();

    process.kill(first, "SIGKILL");

    const second = Number((await untilDone(taskId)).output);
    expect(second).not.toBe(first);
    expect(isAlive(team.child.pid ?? 0)).toBe(true);
    expect([...new Set(world())]).toEqual(stepsOf(taskId, 8));
    expect(world().filter((line) => finished.includes(line)), "a step that had ended was not executed again").toEqual(finished);
    await team.line((line) => line === `longhaul: The worker (process ${first}) was killed by SIGKILL (the system does that when memory runs out). It is started again at once; what was finished is kept.`);
    await team.line((line) => line.includes("[warning] supervised: The worker of supervised was killed by SIGKILL"));
    expect(await records("stop")).toMatchObject([{ result: "killed", reason: `the worker (process ${first}) was killed by SIGKILL`, data: { pid: first, crashesWithinHour: 1 } }]);
    expect((await records("start")).map(({ reason }) => reason)).toEqual([null, "the worker before this one was killed by SIGKILL"]);
    expect(await run("health")).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/\n1 crash of its process within 24 h; the last, .* ago: the worker \(process \d+\) was killed by SIGKILL\. See: longhaul (?:--data \S+ )?logs --type stop\n/) as string });

    team.child.kill("SIGTERM");
    expect(await team.ended).toBe(0);
    expect(isAlive(second)).toBe(false);
  });

  it("is followed by another one as well when it ended by an exception that nobody caught, however often", async () => {
    const { start, submit, workerPid, untilDone, records } = newFolder();
    const team = await start();
    await untilDone(await submit({ kind: "throwing" }));
    const second = workerPid();
    process.kill(second, "SIGKILL");
    await until("a third worker", () => (workers(team) === 3 ? true : null));

    expect((await records("stop")).map(({ result, reason }) => [result, reason])).toEqual([
      ["crashed", expect.stringContaining("ended by itself with exit code 1")],
      ["killed", `the worker (process ${second}) was killed by SIGKILL`],
    ]);
    await team.line((line) => line.includes(`(process ${second}) was killed by SIGKILL`) && line.includes("started again in 1.0 s"));
  });
});

it("people are told of a crash once, and before what caused it is tried again", async () => {
  const { start, submit, rows } = newFolder();
  const team = await start();
  await submit({ kind: "dying" });
  await team.line((line) => line.includes("It is started again in 2.0 s"));

  const told = team.lines.map((line, index) => ({ line, index })).filter(({ line }) => line.includes("[warning] supervised: The worker of supervised was killed by SIGKILL"));
  expect(told).toHaveLength(1);
  expect(told[0]?.index).toBeLessThan(team.lines.findIndex((line) => line.includes("It is started again in 1.0 s")));
  expect(rows("SELECT state, attempts FROM lh_outbox")).toMatchObject([{ state: "delivered", attempts: 1 }]);
});

it("while the supervisor waits, people are told that it starts the team again, nobody is told to start another, and one that is started beside it is refused", async () => {
  const { data, start, run, workerPid, submit } = newFolder();
  const team = await start();
  for (let crash = 1; crash <= 5; crash++) {
    process.kill(workerPid(), "SIGKILL");
    if (crash < 5) await until(`worker ${crash + 1}`, () => (workers(team) === crash + 1 ? true : null));
  }
  await team.line((line) => line.includes("It is started again in 8.0 s"));
  const note = join(data, "supervisor.json");
  await until("the note of the supervisor", () => (existsSync(note) && readFileSync(note, "utf8").includes('"crashesWithinHour":5') ? true : null));
  // It waits for as long as the questions take.
  team.child.kill("SIGSTOP");

  const [health, ps, doctor, second] = await Promise.all([run("health"), run("ps"), run("doctor"), longhaul(["start", teamFile, "--port", "0", "--data", data], { program })]);
  const queued = await run("task", "worker", "{}", "--wait");

  const waits = new RegExp(`^supervised does not run just now, and its supervisor \\(pid ${team.child.pid}\\) (?:starts it again in .* s|is starting it again), by itself\\. 5 crashes of its process within an hour\\. The last worker, .* ago, was killed by SIGKILL\\.`, "m");
  expect(health.stdout).toMatch(waits);
  expect(health.stdout).toMatch(/\n4 crashes of its process within 24 h; the last/);
  expect(health.exitCode).toBe(1);
  expect(ps.stdout).toMatch(waits);
  expect(doctor.stdout).toContain(`its supervisor (pid ${team.child.pid})`);
  expect(`${health.stdout}${ps.stdout}${doctor.stdout}${queued.stderr}`).not.toMatch(/longhaul (?:--data \S+ )?start/);
  expect(second).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(`process ${team.child.pid} starts it again by itself`) as string });
  expect(second.stderr).toContain("ENGINE_OWNED");

  team.child.kill("SIGCONT");
  await until("worker 6", () => (workers(team) === 6 ? true : null));
  await until("the end of the note", () => (existsSync(note) ? null : true));
  expect((await run("ps")).stdout).toMatch(/^supervised runs/);
  expect(await submit({ kind: "steady" })).toMatch(/^t_/);
});

it("a worker that the system does not start, of which Node says so by an exception, is tried again until it does", async () => {
  const { path, startBy, workerPid, records } = newFolder();
  const bin = join(path, "bin");
  mkdirSync(bin);
  copyFileSync(process.execPath, join(bin, "node"));
  const team = await startBy(join(bin, "node"));
  renameSync(bin, `${bin}-away`);
  writeFileSync(bin, "");
  process.kill(workerPid(), "SIGKILL");
  await team.line((line) => line === "longhaul: The worker could not be started: spawn ENOTDIR. It is started again in 2.0 s; what was finished is kept.");
  rmSync(bin);
  renameSync(`${bin}-away`, bin);

  await until("a second worker", () => (workers(team) === 2 ? true : null));
  const [killed, ...refused] = (await records("stop")).map(({ result, reason }) => [result, reason]);
  expect(killed).toEqual(["killed", expect.stringContaining("was killed by SIGKILL")]);
  expect(refused.length).toBeGreaterThanOrEqual(2);
  expect(refused.length, "it waits ever longer between two tries").toBeLessThanOrEqual(8);
  for (const each of refused) expect(each).toEqual(["refused", "the worker could not be started: spawn ENOTDIR"]);
  team.child.kill("SIGTERM");
  expect(await team.ended).toBe(0);
});

it("--blocked-after: a worker whose event loop is blocked by code of the team is killed, and the next one goes on", async () => {
  const { start, submit, untilDone, records, world } = newFolder();
  const team = await start("--blocked-after", "3s");
  const taskId = await submit({ kind: "blocking" });

  await untilDone(taskId);

  expect(world()).toEqual([`${taskId} 1`]);
  await team.line((line) => /^longhaul: The worker \(process \d+\) is killed: its event loop was blocked for \d\.\d s, and --blocked-after is 3\.0 s\.$/.test(line));
  expect(await records("stop")).toMatchObject([{ result: "blocked", reason: expect.stringMatching(/was killed: its event loop was blocked for \d/) as string }]);
});

it("--memory-max: a worker that grows is recycled in order: no step is lost, none is done twice, and a busy sibling goes on too", async () => {
  const { start, submit, untilDone, records, world } = newFolder();
  const team = await start("--memory-max", "350MB");
  const [leaky, steady] = await Promise.all([submit({ kind: "leaky", steps: 12 }), submit({ kind: "steady", steps: 20 })]);

  await Promise.all([untilDone(leaky), untilDone(steady)]);

  expect(world().filter((line) => line.startsWith(leaky))).toEqual(stepsOf(leaky, 12));
  expect(world().filter((line) => line.startsWith(steady))).toEqual(stepsOf(steady, 20));
  expect(workers(team)).toBe(2);
  await team.line((line) => /^longhaul: The worker \(process \d+\) is recycled: it takes \d{3} MB of memory, and --memory-max is 350 MB\. /.test(line));
  expect(await records("stop")).toMatchObject([{ result: "recycled", reason: expect.stringMatching(/^was recycled: it takes \d{3} MB of memory, and --memory-max is 350 MB$/) as string }]);
  expect((await records("start")).at(-1)).toMatchObject({ reason: expect.stringContaining("the worker before this one was recycled: it takes") as string, data: { after: "recycled" } });
});

it("recycles a worker that comes near the end of its heap, before that is exhausted", async () => {
  const { start, submit, untilDone, records, world } = newFolder();
  await start(["--max-old-space-size=250"]);
  const taskId = await submit({ kind: "heaping", steps: 28 });

  await untilDone(taskId);

  expect(world()).toEqual(stepsOf(taskId, 28));
  expect(await records("stop")).toMatchObject([{ result: "recycled", reason: expect.stringMatching(/^was recycled: \d\d % of the heap that Node may have are in use$/) as string }]);
});

describe("Ctrl-C as a key, which its worker alone sees,", () => {
  /** A worker that is to be recycled and waits for a step that does not end. */
  const startRecycled = async (drain: string) => {
    const folder = newFolder();
    const team = await folder.start("--drain", drain, "--memory-max", "350MB");
    await folder.submit({ kind: "hanging" });
    await folder.submit({ kind: "leaky", steps: 12 });
    await team.line((line) => line.includes(" is recycled: "));
    await team.line((line) => line.includes('"event":"draining"'));
    return { team, pid: folder.workerPid(), records: folder.records };
  };

  it("stops a team whose worker is just being recycled: nothing is started any more", async () => {
    const { team, pid, records } = await startRecycled("6s");
    process.kill(pid, "SIGINT");

    expect(await team.ended).toBe(0);
    expect(workers(team)).toBe(1);
    expect(json(team.stdoutLines.at(-1) ?? "{}")).toEqual({ event: "stopped", interrupted: expect.any(Number) as number });
    expect((await records("stop")).map(({ result }) => result)).toEqual(["stopped"]);
  });

  it("ends it at once, with 130, the second time", async () => {
    const { team, pid } = await startRecycled("60s");
    process.kill(pid, "SIGINT");
    await sleep(systemClock, 500);
    process.kill(pid, "SIGINT");

    expect(await team.ended).toBe(130);
    expect(workers(team)).toBe(1);
  });
});

describe("what is refused is told once, keeps its exit code, and is not tried again:", () => {
  const start = (args: readonly string[]) => longhaul(["start", ...args], { program });

  it.each([
    { what: "an unknown option", args: [teamFile, "--prot", "1"], exitCode: 2, says: "unknown option '--prot'" },
    { what: "a limit below what can be told", args: [teamFile, "--blocked-after", "1s"], exitCode: 2, says: "Use at least 3s." },
    { what: "a size without a unit", args: [teamFile, "--memory-max", "400"], exitCode: 2, says: '"512MB"' },
    { what: "no team file", args: [], exitCode: 2, says: "missing required argument" },
    { what: "a team that is not there", args: ["nowhere/team.ts"], exitCode: 1, says: "TEAM_NOT_LOADED" },
  ])("$what", async ({ args, exitCode, says }) => {
    const folder = temporaryFolder();
    onTestFinished(folder.remove);
    const ended = await start([...args, "--data", folder.path]);

    expect(ended.exitCode).toBe(exitCode);
    expect(ended.stderr.split(says)).toHaveLength(2);
    expect(ended.stderr).not.toContain("started again");
  });

  it("a team that does not load, and a data directory that another process owns", async () => {
    const { data, start: startTeam, log } = newFolder();
    await startTeam();
    const broken = `${log}.broken.ts`;
    writeFileSync(broken, "throw new Error('the team is broken');\n");
    const [owned, unloaded] = await Promise.all([start([teamFile, "--data", data]), start([broken, "--data", `${data}-2`])]);

    expect(owned).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("ENGINE_OWNED") as string });
    expect(unloaded).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("the team is broken") as string });
    expect(`${owned.stderr}${unloaded.stderr}`).not.toContain("started again");
  });
});

describe("the supervisor", () => {
  it.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("drains at %s and ends with 0", async (signal) => {
    const { start, submit, untilWorld, workerPid, world } = newFolder();
    const team = await start();
    const taskId = await submit({ kind: "steady", steps: 50 });
    await untilWorld(1);
    const pid = workerPid();

    team.child.kill(signal);

    expect(await team.ended).toBe(0);
    expect(json(team.stdoutLines.at(-1) ?? "{}")).toMatchObject({ event: "stopped" });
    expect(isAlive(pid)).toBe(false);
    expect(world()).toEqual(stepsOf(taskId, world().length));
  });

  it("ends at once, with 130, at the second signal", async () => {
    const { start, submit, workerPid } = newFolder();
    const team = await start("--drain", "60s");
    const taskId = await submit({ kind: "hanging" });
    await team.line((line) => line.includes(taskId) && line.includes('"running"'));
    const pid = workerPid();
    team.child.kill("SIGINT");
    await team.line((line) => line.includes('"event":"draining"'));
    // Sooner, it would be the same Ctrl-C, passed on by npm.
    await sleep(systemClock, 500);
    team.child.kill("SIGINT");

    expect(await team.ended).toBe(130);
    expect(isAlive(pid)).toBe(false);
  });

  it("takes the Ctrl-C that a terminal sends to it and to its worker for one, however late it is passed on, and a second one for a second", async () => {
    const { start, submit, workerPid } = newFolder();
    const team = await start("--drain", "60s");
    const taskId = await submit({ kind: "hanging" });
    await team.line((line) => line.includes(taskId) && line.includes('"running"'));
    const pid = workerPid();
    process.kill(pid, "SIGINT");
    await team.line((line) => line.includes('"event":"draining"'));
    await sleep(systemClock, 1_000);
    team.child.kill("SIGINT");
    await sleep(systemClock, 1_000);
    expect([isAlive(pid), isAlive(team.child.pid ?? 0)]).toEqual([true, true]);

    process.kill(pid, "SIGINT");
    team.child.kill("SIGINT");

    expect(await team.ended).toBe(130);
    expect(isAlive(pid)).toBe(false);
  });

  it("kills a worker that does not end, 10 s after its drain, though that often says that it lives", async () => {
    const { start, submit, untilDone } = newFolder();
    const team = await start(["--expose-gc"], "--drain", "1ms");
    await untilDone(await submit({ kind: "deaf" }));
    const askedMs = systemClock.monotonicMs();

    team.child.kill("SIGTERM");

    expect(await team.ended).toBe(137);
    const tookMs = systemClock.monotonicMs() - askedMs;
    expect(tookMs).toBeGreaterThan(9_900);
    expect(tookMs).toBeLessThan(60_000);
    expect(team.lines.at(-1)).toMatch(/^longhaul: The worker \(process \d+\) did not end in time\. It is killed; what was finished is kept\.$/);
  });

  it("is not disturbed by code of the team that uses the channel of its process", async () => {
    const { start, submit, untilDone } = newFolder();
    const team = await start();
    await untilDone(await submit({ kind: "talking" }));
    team.child.kill("SIGTERM");

    expect(await team.ended).toBe(0);
    expect(workers(team)).toBe(1);
  });

  it("takes its worker with it when it is killed: that drains, says why, to people too, and nothing stays behind", async () => {
    const { start, submit, untilWorld, workerPid, world, log, run, records } = newFolder();
    const team = await start();
    const taskId = await submit({ kind: "steady", steps: 50 });
    await untilWorld(1);
    const pid = workerPid();

    team.child.kill("SIGKILL");

    await untilGone(pid);
    await team.ended;
    expect(json(team.stdoutLines.at(-1) ?? "{}")).toMatchObject({ event: "stopped" });
    expect(world()).toEqual(stepsOf(taskId, world().length));
    expect(existsSync(`${log}.blocked`)).toBe(false);
    const gone = `its supervisor (process ${team.child.pid}) is gone`;
    expect(team.lines.filter((line) => line.includes(`[critical] supervised: supervised stops: ${gone}`))).toHaveLength(1);
    expect((await records("stop")).at(-1)).toMatchObject({ result: "stopped", reason: gone });
    expect((await run("health")).stdout).toContain(`supervised does not run: it stopped, as ${gone}. Its work goes on with`);
  });

  it("--no-supervisor: is not there, and nobody starts the team again", async () => {
    const { start, workerPid } = newFolder();
    const team = await start("--no-supervisor");
    expect(workerPid()).toBe(team.child.pid);

    team.child.kill("SIGKILL");

    expect(await team.ended).toBeNull();
    expect(workers(team)).toBe(1);
  });
});
