import { join } from "node:path";
import { consoleNotifier, defineAgent, defineTeam } from "longhaul";
import { expect, it, onTestFinished } from "vitest";
import { VirtualClock } from "../../src/base/virtual-clock.ts";
import { runHealth } from "../../src/cli/command/health.ts";
import { beginSupervision, superviseWorker, type SupervisorEvent, type SupervisorState } from "../../src/cli/supervisor/supervise-worker.ts";
import type { WorkerEnd } from "../../src/record/worker-end.ts";
import { readCommand } from "../fixture/command.ts";
import { openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

// What a team tells of the workers before it, as a real supervisor hands them on.

const idle = defineAgent({ name: "idle", run: async () => null });
const limits = { blockedAfterMs: 60_000, memoryBytesMax: 5e8, drainMs: 20_000 };

/** A supervisor whose workers end one after the other; the time of each end is given. */
function superviseEnds(clock: VirtualClock) {
  let pid = 100;
  let before: readonly WorkerEnd[] = [];
  let state: SupervisorState = beginSupervision(instant()).state;
  function instant() {
    return { nowMs: clock.monotonicMs(), wallMs: clock.now() };
  }
  const on = (event: SupervisorEvent): void => {
    const decision = superviseWorker(state, event, instant());
    ({ state } = decision);
    for (const action of decision.actions) if (action.type === "start") ({ before } = action);
  };
  return {
    before: () => before,
    start: () => on({ type: "started", pid: pid++ }),
    say: (type: "opened" | "works") => on({ type: "message", message: { type } }),
    begin: () => on({ type: "message", message: { type: "begins", limits } }),
    refuse(): void {
      on({ type: "message", message: { type: "ends", isTransient: true } });
      on({ type: "ended", exitCode: 1, signal: null, signalNumber: 0 });
    },
    crash: () => on({ type: "ended", exitCode: null, signal: "SIGSEGV", signalNumber: 11 }),
    tick: () => on({ type: "tick" }),
  };
}

it("people are told of the first and of the tenth refusal, though the team could not be started for two hours after; records and health count them all", async () => {
  const directory = temporaryDirectory();
  onTestFinished(directory.remove);
  const clock = new VirtualClock();
  const supervisor = superviseEnds(clock);
  supervisor.start();
  supervisor.begin();
  supervisor.say("opened");
  supervisor.say("works");
  supervisor.crash();
  for (let refusal = 0; refusal < 240; refusal++) {
    supervisor.start();
    supervisor.refuse();
    await clock.advance(30_000);
    supervisor.tick();
  }
  supervisor.start();
  const data = join(directory.path, "data");
  const team = await openDiskTeam(defineTeam({ name: "t", agents: [idle], notify: [consoleNotifier()] }), { directory: data, clock, workersBefore: supervisor.before() });
  onTestFinished(() => team.close());
  await team.settle();
  await team.advance(1_000);

  expect(supervisor.before().length).toBeLessThanOrEqual(20);
  expect(team.printed.filter((line) => line.includes("The worker of t"))).toEqual([
    expect.stringContaining("[warning] t: The worker of t was killed by SIGSEGV"),
    expect.stringContaining("[critical] t: The worker of t crashed 10 times within an hour, and does not mend itself; the last one ended with exit code 1"),
  ]);
  const stops = await team.records({ eventTypes: ["stop"] });
  expect(stops.map(({ data: { skipped = 0 } }) => 1 + Number(skipped)).reduce((sum, count) => sum + count)).toBe(241);
  expect(stops.findLast(({ data }) => data["skipped"] !== undefined)?.reason).toMatch(/^the worker \(process \d+\) ended with exit code 1, for a reason that may pass; 213 more before it are only counted$/);
  expect(JSON.parse(await readCommand(runHealth, { data, clock, isJson: true }))).toMatchObject({ isBad: true, process: { crashes: 241, isBad: true } });
});
