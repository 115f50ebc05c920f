import { syncBuiltinESMExports } from "node:module";
import { promisify } from "node:util";
import type { Clock } from "../clock.ts";
import type { Random } from "../random.ts";
import { onNextTurn } from "../turn.ts";
import { refuseRealWorld, type Refuse } from "./refuse-real-world.ts";
import { createVirtualChance } from "./virtual-chance.ts";
import { createVirtualDate, installVirtualDateFormat } from "./virtual-date.ts";
import { createVirtualStamps } from "./virtual-stamps.ts";
import { createTimeoutSignal, createVirtualTimerPromises } from "./virtual-timer-promises.ts";
import { createVirtualTimers } from "./virtual-timers.ts";

export interface VirtualAmbientOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly fetch: typeof globalThis.fetch;
  readonly refuse: Refuse;
}

/**
 * Makes the ambient time, chance and network of this thread virtual, for good: the globals, the modules of Node that hold the same functions, and what code
 * imported from those before. It belongs before the first import of anything foreign, which may keep a function for itself.
 *
 * Stay real: `setImmediate`, `process.nextTick` and promises, which take no time; files; `crypto.subtle`, made keys, and the alias
 * `getRandomValues` that `node:crypto` has of the global's and does not let go of; `Atomics.wait` and `waitAsync`; and what is measured of the process and the
 * machine: memory, load, `performance.nodeTiming`, `timerify`, `eventLoopUtilization`, resource timings.
 */
export function installVirtualAmbient({ clock, random, fetch, refuse }: VirtualAmbientOptions): void {
  installTime(clock);
  installTimers(clock);
  installChance(clock, random);
  put(globalThis, { fetch });
  refuseRealWorld(refuse);
  syncBuiltinESMExports();
}

function installTime(clock: Clock): void {
  const VirtualDate = createVirtualDate(clock);
  put(globalThis, { Date: VirtualDate });
  put(VirtualDate.prototype, { constructor: VirtualDate });
  installVirtualDateFormat(clock);
  const startedAtMs = clock.now();
  const startedMs = clock.monotonicMs();
  const sinceStartMs = (): number => clock.monotonicMs() - startedMs;
  const performancePrototype = Object.getPrototypeOf(globalThis.performance) as object;
  put(performancePrototype, { now: sinceStartMs });
  Object.defineProperty(performancePrototype, "timeOrigin", { configurable: true, get: () => startedAtMs });
  const stamps = createVirtualStamps({ startedAtMs, sinceStartMs, nowMs: () => Math.floor(clock.now()) });
  put(performancePrototype, stamps.performance);
  Object.defineProperty(Event.prototype, "timeStamp", { configurable: true, enumerable: true, get: stamps.timeStamp });
  for (const owner of [globalThis, process.getBuiltinModule("node:buffer")]) put(owner, { File: stamps.File });
  for (const owner of [globalThis, process.getBuiltinModule("node:perf_hooks")]) put(owner, { PerformanceMark: stamps.PerformanceMark });
  const nanoseconds = (): bigint => BigInt(Math.round(sinceStartMs() * 1e6));
  const hrtime = (since?: readonly [number, number]): readonly [number, number] => {
    const elapsed = nanoseconds() - (since === undefined ? 0n : BigInt(since[0]) * 1_000_000_000n + BigInt(since[1]));
    return [Number(elapsed / 1_000_000_000n), Number(elapsed % 1_000_000_000n)];
  };
  const uptime = (): number => sinceStartMs() / 1000;
  put(process, { hrtime: Object.assign(hrtime, { bigint: nanoseconds }), uptime });
  put(process.getBuiltinModule("node:os"), { uptime });
}

function installTimers(clock: Clock): void {
  const { setTimeout, setInterval, clear } = createVirtualTimers(clock);
  const promises = createVirtualTimerPromises(clock);
  Object.defineProperty(setTimeout, promisify.custom, { value: promises.setTimeout });
  const functions = { setTimeout, setInterval, clearTimeout: clear, clearInterval: clear };
  put(globalThis, functions);
  put(process.getBuiltinModule("node:timers"), functions);
  const modulePromises = process.getBuiltinModule("node:timers/promises");
  put(modulePromises, { setTimeout: promises.setTimeout, setInterval: promises.setInterval });
  put(modulePromises.scheduler, { wait: promises.wait });
  put(AbortSignal, { timeout: createTimeoutSignal(clock) });
}

function installChance(clock: Clock, random: Random): void {
  const numbers = random.split("numbers");
  put(Math, { random: () => numbers.next() });
  const { getRandomValues, ...functions } = createVirtualChance({ clock, random: random.split("bytes"), laterTurn: onNextTurn });
  put(Object.getPrototypeOf(globalThis.crypto) as object, { randomUUID: functions.randomUUID, getRandomValues });
  put(process.getBuiltinModule("node:crypto"), functions);
}

function put(owner: object, values: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(values)) {
    const { enumerable = true } = Object.getOwnPropertyDescriptor(owner, name) ?? {};
    Object.defineProperty(owner, name, { value, enumerable, configurable: true, writable: true });
  }
}
