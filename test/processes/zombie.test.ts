import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { stopBetweenCommits } from "../../src/db/fixture/stop-between-commits.ts";
import { openWorld, type TeamProcess, until, type World } from "./fixture/world.ts";

const leaseMs = 600;
const callMs = 3_000;

interface Wakened {
  readonly zombie: TeamProcess;
  readonly heir: TeamProcess;
  readonly taskId: string;
}

/** Stops a team in a call, has another process take over as if from another container, which kills nobody, and lets the first one go on. */
async function wakeZombie(world: World, effect: "idempotent" | "once", tookOver: (world: World, heir: TeamProcess) => boolean): Promise<Wakened> {
  const zombie = await world.startWorking({ leaseMs });
  const taskId = await world.submit("caller", { callMs, effect });
  await until("the call begins", () => world.log().length > 0);
  const beganMs = systemClock.monotonicMs();
  await stopBetweenCommits(zombie.pid, join(world.data, "longhaul.db"));
  world.execute("UPDATE lh_owner SET pid_namespace = 'another container'");
  await sleep(systemClock, leaseMs);
  const heir = await world.startWorking();
  await until("the heir has gone on with the task", () => tookOver(world, heir));
  // Its call is over when it wakes.
  await sleep(systemClock, Math.max(0, beganMs + callMs - systemClock.monotonicMs()));
  zombie.signal("SIGCONT");
  return { zombie, heir, taskId };
}

const callsAgain = (world: World, heir: TeamProcess): boolean => world.log().includes(`caller ask begin ${heir.pid}`);
const asksAPerson = (world: World): boolean => world.rows("SELECT 1 FROM lh_task WHERE waiting_reason = 'unknown-effect'").length > 0;

const isDone = (world: World, taskId: string): boolean => world.rows(`SELECT 1 FROM lh_task WHERE id = '${taskId}' AND status = 'done'`).length > 0;

/** What the records of a task's calls say beside what every record says. */
function callRecords(world: World, taskId: string): readonly Readonly<Record<string, unknown>>[] {
  return world.rows(`SELECT data FROM lh_record WHERE task_id = '${taskId}' AND event_type = 'tool_call' ORDER BY rowid`).map(({ data }) => JSON.parse(String(data)) as Record<string, unknown>);
}

describe("a process that was stopped for longer than its lease and goes on beside its successor", { timeout: 60_000 }, () => {
  it("is fenced, says so, and what its step came to is recorded as late and applied nowhere", async () => {
    // vercel/workflow#2780, paperclipai/paperclip#13631
    const world = openWorld();
    const { zombie, heir, taskId } = await wakeZombie(world, "idempotent", callsAgain);

    expect(await zombie.ended).toBe("1");
    expect(zombie.lines.join("\n")).toContain("[ENGINE_FENCED]");
    await until("the task ends", () => isDone(world, taskId));

    const records = callRecords(world, taskId);
    expect(records).toHaveLength(2);
    expect(records.filter(({ late }) => late === true)).toMatchObject([{ late: true, epoch: 1 }]);
    expect((await world.run("show", taskId)).text).toContain(`answered by ${heir.pid}`);
    expect(new Set(world.log().filter((line) => line.includes("end")))).toEqual(new Set([`caller ask end ${zombie.pid}`, `caller ask end ${heir.pid}`]));
    // It closed its servers, and left those of its successor in place.
    expect(existsSync(join(world.data, "control.sock"))).toBe(true);
    expect(readFileSync(join(world.data, "endpoint.json"), "utf8")).toContain("http://");
    expect(await world.run("task", "patient")).toMatchObject({ exitCode: 0, text: expect.stringMatching(/ is queued\.\n/) as string });
  });

  it("brings the result of a call that must not happen twice: it is not made again when a person has it made again", async () => {
    const world = openWorld();
    const { zombie, taskId } = await wakeZombie(world, "once", asksAPerson);
    await zombie.ended;
    const [, runId = ""] = /approve (r_\w+) --retry/.exec((await world.run("approve")).text) ?? [];

    expect(await world.run("approve", runId, "--retry")).toMatchObject({ exitCode: 0 });

    await until("the task ends", () => isDone(world, taskId));
    expect((await world.run("show", taskId)).text).toContain(`answered by ${zombie.pid}`);
    expect(world.log()).toEqual([`caller ask begin ${zombie.pid}`, `caller ask end ${zombie.pid}`]);
  });
});
