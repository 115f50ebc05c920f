import { IdleLoop } from "../src/base/idle-loop.ts";
import { VirtualClock } from "../src/base/virtual-clock.ts";
import { simulate } from "../src/lab/simulation/simulate.ts";

// Speed of the simulation kernel: timer events per second, and a team of fifty agents that each run every quarter of an hour for ninety days. It is simulated
// twice: ends with 1 when one seed gives two traces.
// `npm run bench:simulation`, or `node bench/simulation-kernel.ts <days>` for fewer days. The targets: 1,000,000 events/s, 200,000 events/s, 60 s.
const days = Number(process.argv[2] ?? 90);
const team = new URL("../test/simulation/fixture/fifty-agents.ts", import.meta.url);
const timers = 1_000;

/** A clock with so many timers that each set themselves again. */
function busyClock(): VirtualClock {
  const clock = new VirtualClock();
  for (let index = 0; index < timers; index++) {
    const periodMs = 1_000 + index;
    const again = (): void => void clock.setTimer(periodMs, again);
    again();
  }
  return clock;
}

const perSecond = (count: number, fromMs: number): number => Math.round((count / (performance.now() - fromMs)) * 1_000);

function eventsWithoutPromises(): number {
  const clock = busyClock();
  clock.runTimers(clock.now() + 100_000);
  const fromMs = performance.now();
  const fired = clock.runTimers(clock.now() + 3_000_000);
  return perSecond(fired, fromMs);
}

async function eventsWithFullDrain(): Promise<number> {
  const clock = busyClock();
  const loop = new IdleLoop();
  const events = 300_000;
  await loop.untilIdle();
  const fromMs = performance.now();
  for (let event = 0; event < events; event++) {
    clock.fireNext(Number.POSITIVE_INFINITY);
    await loop.untilIdle();
  }
  loop.close();
  return perSecond(events, fromMs);
}

async function bareTurns(): Promise<number> {
  const turns = 300_000;
  const fromMs = performance.now();
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
  return perSecond(turns, fromMs);
}

const bare = await bareTurns();
const direct = eventsWithoutPromises();
const drained = await eventsWithFullDrain();
console.table({
  "bare turns of the event loop": { "per second": bare },
  "timer events without promises": { "per second": direct, "times bare": Number((direct / bare).toFixed(2)), target: 1_000_000 },
  "timer events with a full drain each": { "per second": drained, "times bare": Number((drained / bare).toFixed(2)), target: 200_000 },
});

const cpuBefore = process.cpuUsage();
const fromMs = performance.now();
const { counts, records, trace } = await simulate({ team, horizon: `${days}d` });
const seconds = (performance.now() - fromMs) / 1_000;
const { user, system } = process.cpuUsage(cpuBefore);
const runs = counts["task done"] ?? 0;
const again = await simulate({ team, horizon: `${days}d` });
console.table({
  [`${runs.toLocaleString("en")} runs in ${days} days, ${records.toLocaleString("en")} records`]: {
    "real s": Number(seconds.toFixed(1)),
    "processor s": Number(((user + system) / 1e6).toFixed(1)),
    "runs per s": Math.round(runs / seconds),
    "target s": Number(((60 * days) / 90).toFixed(1)),
    trace,
  },
});
console.log(again.trace === trace ? "The same seed gave the same trace again." : `The same seed gave another trace: ${again.trace}`);
if (again.trace !== trace) process.exitCode = 1;
