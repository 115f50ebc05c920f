import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { longhaul, type RunningProcess, root, startLonghaul, temporaryFolder } from "./fixture/longhaul.ts";

/** A team whose `report` takes these steps, waits for "go" and sends. Each step leaves its name in a file; "fail" throws until that says "mended". */
const code = (steps: readonly string[]): string => `
import { appendFileSync, readFileSync } from "node:fs";
import { defineAgent, defineTeam } from ${JSON.stringify(join(root, "src", "index.ts"))};
const report = defineAgent({
  name: "report",
  run: async (ctx, { log }) => {
    const take = (name) => ctx.step(name, () => {
      appendFileSync(log, name + "\\n");
      if (name === "fail" && !readFileSync(log, "utf8").includes("mended")) throw new Error("it is broken");
      return name;
    }, { attempts: 1 });
    const taken = [];
    for (const name of ${JSON.stringify(steps)}) taken.push(await take(name));
    const answer = await ctx.waitFor("go");
    return { taken, answer: answer.payload, sent: await take("send") };
  },
});
export const team = defineTeam({ name: "changing", agents: [report, defineAgent({ name: "other", run: (ctx) => ctx.step("work", () => "fine") })] });
`;

interface World {
  readonly at: readonly string[];
  readonly log: string;
  start(steps: readonly string[]): Promise<RunningProcess>;
  run(...args: readonly string[]): ReturnType<typeof longhaul>;
  json(...args: readonly string[]): Promise<Record<string, unknown>>;
  taken(): readonly string[];
}

function createWorld(): World {
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  const file = join(folder.path, "team.mts");
  const log = join(folder.path, "log");
  const at = ["--data", join(folder.path, "data")];
  writeFileSync(log, "");
  return {
    at,
    log,
    async start(steps) {
      writeFileSync(file, code(steps));
      const team = startLonghaul(["start", file, "--json", "--port", "0", ...at]);
      onTestFinished(() => end(team));
      await team.line((line) => line.includes('"event":"started"'));
      return team;
    },
    run: (...args) => longhaul([...args, ...at]),
    async json(...args) {
      const { stdout, stderr } = await longhaul([...args, "--json", ...at]);
      return JSON.parse(stdout || stderr) as Record<string, unknown>;
    },
    taken: () => readFileSync(log, "utf8").split("\n").filter(Boolean),
  };
}

async function end(team: RunningProcess): Promise<void> {
  team.child.kill("SIGKILL");
  await team.ended;
}

/** A run of `report` that the code no longer fits: it took three steps before. Both teams are the caller's. */
async function parkedTask(world: World, after: readonly string[]): Promise<{ readonly taskId: string; readonly team: RunningProcess }> {
  const before = await world.start(["fetch", "store", "count"]);
  const { taskId } = await world.json("task", "report", JSON.stringify({ log: world.log }));
  await before.line((line) => line.includes("waiting(signal)"));
  await end(before);
  const team = await world.start(after);
  // A run is resumed when what it waits for comes: a person's answer, here over the socket of the team.
  await signal(team, world, String(taskId), "yes");
  await team.line((line) => line.includes("waiting(code-mismatch)"));
  return { taskId: String(taskId), team };
}

async function signal(team: RunningProcess, world: World, taskId: string, payload: string): Promise<void> {
  const { url } = JSON.parse(await team.line((line) => line.includes('"event":"started"'))) as { readonly url: string };
  const token = readFileSync(join(world.at[1] ?? "", "token"), "utf8").trim();
  const { task } = (await world.json("show", taskId)) as { readonly task: { readonly runId: string } };
  const answer = await fetch(`${url}/api/v1/runs/${task.runId}/signals/go`, { method: "POST", headers: { authorization: `Bearer ${token}` }, body: JSON.stringify({ payload }) });
  expect(await answer.json()).toEqual({ delivered: true });
}

it("stops only the run that changed code no longer fits, shows the ways on, and skips on", async () => {
  const world = createWorld();
  const { taskId } = await parkedTask(world, ["fetch", "check", "count"]);

  const [shown, asJson, other] = await Promise.all([world.run("show", taskId), world.json("show", taskId), world.json("task", "other", "--wait")]);

  expect(other).toMatchObject({ status: "done", output: "fine" });
  for (const line of ["expected code store (step 2)", "came     code check\n", `longhaul ${world.at.join(" ")} restart ${taskId} `, `longhaul ${world.at.join(" ")} fork ${taskId} --from 2 `, `longhaul ${world.at.join(" ")} skip ${taskId} `]) expect(shown.stdout).toContain(line);
  expect(shown.stdout).toMatch(/1 {2}code +fetch[^]*3 {2}code +count/);
  expect(asJson).toMatchObject({ mismatch: { expected: "code store (step 2)", came: "code check", waysOn: [{}, {}, { command: `longhaul ${world.at.join(" ")} skip ${taskId}` }] } });

  expect((await world.run("skip", taskId)).stdout).toBe(`${taskId} goes on: code check came where the journal held code store (step 2). What it held is served when the code asks for it.\n`);

  expect(await world.json("task", "other", "--wait")).toMatchObject({ status: "done" });
  await expect.poll(() => world.json("show", taskId), { timeout: 20_000 }).toMatchObject({ task: { status: "done", output: { taken: ["fetch", "check", "count"], answer: "yes", sent: "send" } } });
  expect(world.taken()).toEqual(["fetch", "store", "count", "check", "send"]);
  expect((await world.run("logs", "--type", "control")).stdout).toContain("skip");
  expect((await world.run("skip", taskId)).stderr).toContain("only one whose run is parked");
});

it("forks a parked task while the team does not run; it goes on when it starts", async () => {
  const world = createWorld();
  const { taskId, team } = await parkedTask(world, ["fetch", "check", "count"]);
  await end(team);

  const forked = await world.json("fork", taskId, "--from", "2");
  const second = await world.start(["fetch", "check", "count"]);
  await second.line((line) => line.includes("waiting(signal)"));
  await signal(second, world, taskId, "again");

  expect(forked).toMatchObject({ created: false, served: 1, task: { id: taskId, status: "queued" } });
  await expect.poll(() => world.json("show", taskId), { timeout: 20_000 }).toMatchObject({ task: { status: "done", output: { taken: ["fetch", "check", "count"], answer: "again" } } });
  expect(world.taken()).toEqual(["fetch", "store", "count", "check", "count", "send"]);
});

it("forks a dead task behind what was good, a done one as a task of its own, and refuses what cannot be", async () => {
  const world = createWorld();
  const team = await world.start(["fetch", "fail"]);
  const { taskId } = (await world.json("task", "report", JSON.stringify({ log: world.log }))) as { readonly taskId: string };
  await team.line((line) => line.includes("dead(failed)"));
  writeFileSync(world.log, "mended\n");

  const forked = await world.run("fork", taskId, "--from", "2");
  await team.line((line) => line.includes("waiting(signal)"));
  await signal(team, world, taskId, "yes");
  await expect.poll(() => world.json("show", taskId), { timeout: 20_000 }).toMatchObject({ task: { status: "done" } });
  const copy = await world.json("fork", taskId, "--from", "4");
  const { task } = copy as { readonly task: { readonly id: string } };
  await expect.poll(() => world.json("show", task.id), { timeout: 20_000 }).toMatchObject({ task: { status: "done", output: { answer: "yes", sent: "send" } } });
  const shown = await world.run("show", task.id);
  const refusals = await Promise.all([world.run("fork", taskId, "--from", "9"), world.run("fork", "t_none", "--from", "1"), world.run("fork", taskId), world.run("skip", "t_none")]);

  expect(forked.stdout).toMatch(new RegExp(`^${taskId} is queued again for report\\. 1 step is served from r_\\w+; step 2 is the first that executes again\\.\n$`));
  expect(copy).toMatchObject({ created: true, served: 3, task: { status: "running", key: null } });
  expect(world.taken()).toEqual(["mended", "fail", "send", "send"]);
  expect(shown.stdout).toContain(`fork of ${taskId}`);
  expect(shown.stdout).toMatch(/2 {2}code +fail +served/);
  expect(refusals.map(({ exitCode }) => exitCode)).toEqual([1, 1, 2, 1]);
  expect(refusals.map(({ stderr }) => stderr)).toEqual([
    expect.stringMatching(/from is 9\. Run r_\w+ has completed steps up to 4: use a whole number from 1, which begins at its first step, to 5\./),
    expect.stringContaining("There is no task or run"),
    expect.stringContaining("needs --from <step>"),
    expect.stringContaining("No task has the id t_none"),
  ]);
});
