import { array, assert, constant, constantFrom, integer, oneof, property, tuple } from "fast-check";
import { describe, expect, it } from "vitest";
import { beginSupervision, isInControl, manyCrashes, superviseWorker, type SupervisorAction, type SupervisorEvent, type SupervisorState, tickMs, untilNextLookMs } from "./supervise-worker.ts";
import { describeSupervision } from "./service-manager.ts";
import { recycledExitCode, type WorkerLimits, type WorkerMessage } from "./worker-message.ts";

const limits: WorkerLimits = { blockedAfterMs: 60_000, memoryBytesMax: 500_000_000, drainMs: 20_000 };
const wallMs = 1_700_000_000_000;

/** A supervisor on a clock of its own, with the workers that it starts. */
function createBench() {
  let nowMs = 0;
  let pid = 100;
  const instant = () => ({ nowMs, wallMs: wallMs + nowMs });
  let state: SupervisorState = beginSupervision(instant()).state;
  const on = (event: SupervisorEvent): readonly SupervisorAction[] => {
    const decision = superviseWorker(state, event, instant());
    ({ state } = decision);
    if (decision.actions.some(({ type }) => type === "start")) started();
    return decision.actions;
  };
  const started = (): void => void on({ type: "started", pid: pid++ });
  const say = (message: WorkerMessage) => on({ type: "message", message });
  started();
  const bench = {
    get state() {
      return state;
    },
    on,
    say,
    started,
    inControl: () => isInControl(state, instant()),
    nextLookMs: () => untilNextLookMs(state, instant()),
    /** Lets time go by in ticks, with or without a sign of life at each. Stops at the first tick that does something. */
    wait(ms: number, memory: { readonly residentBytes: number; readonly heapShare: number } | null = { residentBytes: 1e8, heapShare: 0.1 }): readonly SupervisorAction[] {
      for (const untilMs = nowMs + ms; nowMs < untilMs; ) {
        nowMs = Math.min(untilMs, nowMs + tickMs);
        const actions = [...(memory === null || state.worker === null ? [] : say({ type: "lives", memory })), ...on({ type: "tick" })];
        if (actions.length > 0) return actions;
      }
      return [];
    },
    jump: (ms: number) => {
      nowMs += ms;
    },
    now: () => nowMs,
    begin: () => say({ type: "begins", limits }),
    work() {
      say({ type: "begins", limits });
      say({ type: "opened" });
      say({ type: "works" });
    },
    crash: (signal: NodeJS.Signals = "SIGKILL") => on({ type: "ended", exitCode: null, signal, signalNumber: 9 }),
    exit: (exitCode: number) => on({ type: "ended", exitCode, signal: null, signalNumber: 0 }),
  };
  return bench;
}

const types = (actions: readonly SupervisorAction[]) => actions.map(({ type }) => type);
const textOf = (actions: readonly SupervisorAction[]) => actions.map((action) => (action.type === "say" ? action.text : "")).join("");

describe("a worker that ends", () => {
  it.each([0, 1, 2, 75, 130])("S1 with %i before it had its team open passes that on", (exitCode) => {
    const bench = createBench();
    bench.begin();

    expect(bench.exit(exitCode)).toEqual([{ type: "exit", exitCode }]);
  });

  it("S1 by a signal before that ends with what a shell reports, and says so", () => {
    const actions = createBench().crash();

    expect(textOf(actions)).toContain("SIGKILL");
    expect(actions.at(-1)).toEqual({ type: "exit", exitCode: 137 });
  });

  it.each([0, 1, 2])("S2 in order with %i is not followed by another one", (exitCode) => {
    const bench = createBench();
    bench.work();
    bench.say({ type: "ends", isTransient: false });

    expect(bench.exit(exitCode)).toEqual([{ type: "exit", exitCode }]);
  });

  it("S2 by a signal, or by an exit of its own, is followed at once, and its end is handed on until it is recorded", () => {
    const bench = createBench();
    bench.work();

    const actions = bench.crash("SIGSEGV");
    expect(types(actions)).toEqual(["say", "start"]);
    expect(actions.at(-1)).toMatchObject({ before: [{ how: "killed", pid: 100, reason: "was killed by SIGSEGV", crashes: 1, atMs: wallMs }] });
    expect(types(bench.exit(0))).toEqual(["say"]);
    expect(bench.wait(1_000).at(-1)).toMatchObject({ before: [{ pid: 100 }, { how: "crashed", pid: 101, reason: "ended by itself with exit code 0", crashes: 2 }] });
    bench.work();
    expect(bench.state.unrecorded).toEqual([]);
  });

  it("S2 in order but refused for a reason that may pass is followed, once the team has been open", () => {
    const first = createBench();
    first.begin();
    first.say({ type: "ends", isTransient: true });
    expect(first.exit(1)).toEqual([{ type: "exit", exitCode: 1 }]);

    const later = createBench();
    later.work();
    later.crash();
    later.begin();
    later.say({ type: "ends", isTransient: true });
    later.exit(1);
    expect(later.wait(1_000).at(-1)).toMatchObject({ type: "start", before: [{ how: "killed" }, { how: "refused" }] });
  });
});

describe("a worker that could not be started", () => {
  const failed = { type: "failed", message: "spawn ENOMEM" } as const;

  it("S1 at first ends the whole", () => {
    expect(superviseWorker(beginSupervision({ nowMs: 0, wallMs }).state, failed, { nowMs: 0, wallMs }).actions).toEqual([{ type: "say", text: "No worker could be started: spawn ENOMEM" }, { type: "exit", exitCode: 1 }]);
  });

  it("S3 later is tried again, as after a crash", () => {
    const bench = createBench();
    bench.work();
    bench.crash();
    const later = superviseWorker({ ...bench.state, worker: null }, failed, { nowMs: 5, wallMs });

    expect(later.actions).toEqual([{ type: "say", text: "The worker could not be started: spawn ENOMEM. It is started again in 1.0 s; what was finished is kept." }]);
    expect(later.state).toMatchObject({ worker: null, restartAtMs: 1_005, unrecorded: [{ how: "killed" }, { how: "refused", pid: null, reason: "could not be started: spawn ENOMEM", crashes: 2 }] });
  });
});

describe("restarts", () => {
  it("S3 come after 0, 1, 2, 4 ... 30 s and go on at that for ever; many within an hour are told", () => {
    const bench = createBench();
    bench.work();
    const delays: number[] = [];
    const told: boolean[] = [];
    for (let crash = 1; crash <= 15; crash++) {
      const crashedMs = bench.now();
      const actions = bench.crash();
      told.push(textOf(actions).includes("does not mend itself"));
      const started = types(actions).includes("start") ? actions : bench.wait(60_000);
      expect(types(started)).toContain("start");
      delays.push(bench.now() - crashedMs);
      bench.work();
    }

    expect(delays).toEqual([0, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30, 30, 30, 30].map((seconds) => seconds * 1_000));
    expect(told).toEqual(delays.map((_, index) => index + 1 >= manyCrashes));
  });

  it("begin anew with 0 s after a worker that was well for 5 min, and crashes count for an hour", () => {
    const bench = createBench();
    bench.work();
    for (let crash = 0; crash < 4; crash++) {
      bench.crash();
      bench.wait(10_000);
      bench.work();
    }
    bench.wait(300_000);
    expect(types(bench.crash())).toEqual(["say", "start"]);
    bench.work();
    bench.wait(3_600_000);
    expect(bench.crash().at(-1)).toMatchObject({ type: "start", before: [{ crashes: 1 }] });
  });
});

describe("crashes that go on", () => {
  it("are news when they begin, and once when they are many, until an hour went by without one", () => {
    const bench = createBench();
    bench.work();
    const news: (string | null)[] = [];
    const crash = (): void => {
      bench.crash();
      news.push(bench.state.unrecorded.at(-1)?.news ?? null);
      if (bench.state.worker === null) bench.wait(60_000);
      bench.work();
    };
    for (let round = 0; round < 50; round++) {
      crash();
      bench.wait(350_000);
    }
    expect(news.flatMap((each, index) => (each === null ? [] : [[index + 1, each]]))).toEqual([[1, "first"], [10, "many"]]);

    bench.wait(3_600_000);
    for (let round = 0; round < 12; round++) crash();
    expect(news.slice(50)).toEqual(["first", ...Array.from({ length: 8 }, () => null), "many", null, null]);
  });

  it("that no worker could record are kept as the news and the newest, with a count of those between", () => {
    const bench = createBench();
    bench.work();
    for (let round = 0; round < 240; round++) {
      bench.crash();
      if (bench.state.worker === null) bench.wait(60_000);
    }
    const { unrecorded } = bench.state;

    expect(unrecorded).toHaveLength(20);
    expect(unrecorded.slice(0, 3).map(({ pid, news, skipped }) => ({ pid, news, skipped }))).toEqual([{ pid: 100, news: "first", skipped: 0 }, { pid: 109, news: "many", skipped: 8 }, { pid: 322, news: null, skipped: 212 }]);
    expect(unrecorded.reduce((sum, { skipped }) => sum + 1 + skipped, 0)).toBe(240);
  });

  it("are shown for an hour, not for ever", () => {
    const bench = createBench();
    bench.work();
    bench.crash();
    bench.work();
    const shown = () => describeSupervision(bench.state, { nowMs: bench.now(), wallMs });
    expect(shown()).toBe("Works. 1 crash lately.");
    bench.wait(3_600_000);
    expect(shown()).toBe("Works.");
  });
});

describe("a blocked event loop", () => {
  it("S4 is killed after its time, not before, and told as what it was", () => {
    const bench = createBench();
    bench.work();
    expect(bench.wait(60_000, null)).toEqual([]);
    const actions = bench.wait(1_000, null);
    expect(actions).toEqual([{ type: "say", text: expect.stringContaining("--blocked-after is 1 min") as string }, { type: "signal", signal: "SIGKILL" }]);

    expect(bench.crash().at(-1)).toMatchObject({ type: "start", before: [{ how: "blocked", reason: "was killed: its event loop was blocked for 1 min 1 s" }] });
  });

  it("has 5 min before it works, and no limit before it said what it is", () => {
    const starting = createBench();
    starting.begin();
    expect(starting.wait(300_000, null)).toEqual([]);
    expect(types(starting.wait(1_000, null))).toEqual(["say", "signal"]);
    expect(createBench().wait(3_600_000, null)).toEqual([]);
  });

  it("is not found where the supervisor itself stood still", () => {
    const bench = createBench();
    bench.work();
    bench.jump(7_200_000);
    expect(bench.wait(61_000, null)).toEqual([]);
    expect(types(bench.wait(1_000, null))).toEqual(["say", "signal"]);
  });

  it("is beyond control when the kill does not help", () => {
    const bench = createBench();
    bench.work();
    bench.wait(61_000, null);
    expect(bench.inControl()).toBe(true);
    bench.wait(30_000, null);
    expect(bench.inControl()).toBe(false);
  });
});

it("what a worker says does not put off the next look", () => {
  const bench = createBench();
  bench.work();
  bench.jump(600);
  bench.say({ type: "lives", memory: { residentBytes: 1e8, heapShare: 0.1 } });
  expect(bench.nextLookMs()).toBe(tickMs - 600);
});

describe("memory", () => {
  const large = { residentBytes: 600_000_000, heapShare: 0.2 };

  it.each([
    ["above its limit", large, "it takes 600 MB of memory, and --memory-max is 500 MB"],
    ["near the end of the heap", { residentBytes: 1e8, heapShare: 0.9 }, "90 % of the heap that Node may have are in use"],
  ])("%s recycles: it drains, and another one goes on at once", (_name, memory, why) => {
    const bench = createBench();
    bench.work();
    const actions = bench.wait(1_000, memory);
    expect(actions).toEqual([{ type: "say", text: expect.stringContaining(why) as string }, { type: "recycle", reason: `was recycled: ${why}` }]);
    expect(bench.wait(10_000, memory)).toEqual([]);
    bench.say({ type: "ends", isTransient: false });

    expect(bench.exit(recycledExitCode)).toEqual([{ type: "start", before: [expect.objectContaining({ how: "recycled", crashes: 0 })] }]);
  });

  it("at its limit does not, nor before the team works, nor while it stops", () => {
    const bench = createBench();
    bench.begin();
    expect(bench.wait(5_000, large)).toEqual([]);
    bench.work();
    expect(bench.wait(5_000, { residentBytes: limits.memoryBytesMax, heapShare: 0.75 })).toEqual([]);
    bench.on({ type: "asked", signal: "SIGTERM" });
    expect(bench.wait(5_000, large)).toEqual([]);
  });

  it("that a team needs from its start recycles ever more seldom", () => {
    const bench = createBench();
    bench.work();
    const lives: number[] = [];
    for (let round = 0; round < 9; round++) {
      const beganMs = bench.now();
      expect(types(bench.wait(2 * 3_600_000, large))).toEqual(["say", "recycle"]);
      lives.push(Math.round((bench.now() - beganMs) / 60_000));
      bench.say({ type: "ends", isTransient: false });
      bench.exit(recycledExitCode);
      bench.work();
    }

    expect(lives).toEqual([0, 1, 2, 4, 8, 16, 32, 60, 60]);
    bench.wait(2 * 3_600_000 + 2_000);
    expect(types(bench.wait(1_000, large))).toEqual(["say", "recycle"]);
    bench.say({ type: "ends", isTransient: false });
    bench.exit(recycledExitCode);
    expect(bench.state.recyclesInRow).toBe(1);
  });

  it("S2 that is given back by a worker that then fails in order is followed by another one all the same", () => {
    const bench = createBench();
    bench.work();
    bench.wait(1_000, large);
    bench.say({ type: "ends", isTransient: false });

    expect(bench.exit(1).at(-1)).toMatchObject({ type: "start", before: [{ how: "refused", reason: "ended with exit code 1, for a reason that may pass" }] });
  });

  it("that is not given back in time kills, and says that it was to be recycled", () => {
    const bench = createBench();
    bench.work();
    bench.wait(1_000, large);
    expect(types(bench.wait(limits.drainMs + 60_000, large))).toEqual(["say", "signal"]);
    expect(bench.crash().at(-1)).toMatchObject({ before: [{ how: "blocked", reason: "was killed: it was to be recycled, and did not end in time" }] });
  });
});

describe("the wish to stop", () => {
  it("S5 is passed on, each time, and nothing is started after it; the exit code is the worker's", () => {
    const bench = createBench();
    bench.work();
    expect(bench.on({ type: "asked", signal: "SIGTERM" })).toEqual([{ type: "stop", signal: "SIGTERM" }]);
    expect(bench.on({ type: "asked", signal: "SIGINT" })).toEqual([{ type: "stop", signal: "SIGINT" }]);
    expect(bench.exit(130)).toEqual([{ type: "exit", exitCode: 130 }]);
  });

  it("S5 ends at once between two workers", () => {
    const bench = createBench();
    bench.work();
    bench.crash();
    bench.crash();
    expect(bench.on({ type: "asked", signal: "SIGTERM" })).toEqual([{ type: "exit", exitCode: 0 }]);
    expect(bench.wait(60_000)).toEqual([]);
  });

  it("S5 that a worker got itself counts too, and one that is being recycled ends with 0", () => {
    const bench = createBench();
    bench.work();
    bench.wait(1_000, { residentBytes: 6e8, heapShare: 0 });
    bench.say({ type: "stops" });
    bench.say({ type: "ends", isTransient: false });
    expect(bench.exit(recycledExitCode)).toEqual([{ type: "exit", exitCode: 0 }]);
  });

  it("S4 kills a worker that outlasts its drain", () => {
    const bench = createBench();
    bench.work();
    bench.on({ type: "asked", signal: "SIGTERM" });
    expect(bench.wait(limits.drainMs + 9_000)).toEqual([]);
    expect(bench.wait(1_000)).toEqual([{ type: "say", text: expect.stringContaining("did not end in time") as string }, { type: "signal", signal: "SIGKILL" }]);
    expect(bench.crash()).toEqual([{ type: "exit", exitCode: 137 }]);
  });
});

it("always has either a worker, a time to start one, or an end, and looks again within a tick", () => {
  const messages: readonly WorkerMessage[] = [
    { type: "begins", limits }, { type: "opened" }, { type: "works" }, { type: "lives", memory: { residentBytes: 6e8, heapShare: 0.1 } }, { type: "stops" }, { type: "ends", isTransient: true }, { type: "ends", isTransient: false },
  ];
  const events = oneof(
    { weight: 8, arbitrary: constantFrom(...messages).map((message) => ({ type: "message", message }) as const) },
    constantFrom<SupervisorEvent>({ type: "ended", exitCode: 75, signal: null, signalNumber: 0 }, { type: "ended", exitCode: 1, signal: null, signalNumber: 0 }, { type: "ended", exitCode: null, signal: "SIGKILL", signalNumber: 9 }),
    { weight: 4, arbitrary: constant({ type: "tick" } as const) },
    { weight: 1, arbitrary: constant({ type: "asked", signal: "SIGTERM" } as const) },
  );
  assert(
    property(array(tuple(events, integer({ min: 0, max: 40_000 })), { maxLength: 60 }), (steps) => {
      const bench = createBench();
      let hasExited = false;
      for (const [event, delayMs] of steps) {
        if (hasExited) break;
        bench.jump(delayMs);
        if (event.type === "ended" && bench.state.worker === null) continue;
        const wasStopping = bench.state.isStopping;
        const actions = bench.on(event);
        expect(wasStopping && types(actions).includes("start")).toBe(false);
        hasExited = types(actions).includes("exit");
        expect(hasExited || bench.state.worker !== null || bench.state.restartAtMs !== null).toBe(true);
        expect(bench.nextLookMs()).toBeLessThanOrEqual(tickMs);
        expect(bench.state.unrecorded.length).toBeLessThanOrEqual(20);
      }
    }),
    { numRuns: 500 },
  );
});
