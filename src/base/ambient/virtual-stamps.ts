import type { MarkOptions, MeasureOptions } from "node:perf_hooks";

/** Objects of the platform that note by themselves when they were made. */
export interface VirtualStamps {
  readonly File: typeof File;
  readonly PerformanceMark: typeof PerformanceMark;
  /** `mark`, `measure` and `toJSON` of the global `performance`. */
  readonly performance: Readonly<Record<string, unknown>>;
  /** For `Event.prototype`: the time of the first look, since nothing of ours is there when the platform makes an event. */
  readonly timeStamp: (this: Event) => number;
}

type Given = Readonly<Record<string, unknown>>;

/** The same with a clock's time: `nowMs` for files, `sinceStartMs` for what `performance` counts. */
export function createVirtualStamps({ nowMs, sinceStartMs, startedAtMs }: { readonly nowMs: () => number; readonly sinceStartMs: () => number; readonly startedAtMs: number }): VirtualStamps {
  const performance = globalThis.performance;
  const real = { mark: performance.mark.bind(performance), measure: performance.measure.bind(performance) };
  const seenAtMs = new WeakMap<Event, number>();
  return {
    File: withOptions(globalThis.File, 2, (given) => ({ ...given, lastModified: given["lastModified"] ?? nowMs() })),
    PerformanceMark: withOptions(globalThis.PerformanceMark, 1, (given) => ({ ...given, startTime: given["startTime"] ?? sinceStartMs() })),
    performance: {
      mark: (name: string, options?: MarkOptions) => real.mark(name, { ...options, startTime: options?.startTime ?? sinceStartMs() }),
      measure: (name: string, from?: string | MeasureOptions, to?: string) => real.measure(name, toMeasured(from, to, sinceStartMs)),
      toJSON: () => ({ timeOrigin: startedAtMs }),
    },
    timeStamp() {
      const atMs = seenAtMs.get(this) ?? sinceStartMs();
      seenAtMs.set(this, atMs);
      return atMs;
    },
  };
}

/** A class whose options, at this place among what it is given, get what they leave out. */
function withOptions<Class extends object>(real: Class, place: number, complete: (options: Given) => Given): Class {
  return new Proxy(real, {
    construct(target, given: unknown[], newTarget) {
      // What it refuses for want of arguments is refused as it was.
      const completed = given.length < place ? given : [...given.slice(0, place), complete((given[place] ?? {}) as Given)];
      return Reflect.construct(target as NewableFunction, completed, newTarget) as object;
    },
  });
}

/** From one mark, instant or the beginning to another, or to now. */
function toMeasured(from: string | MeasureOptions | undefined, to: string | undefined, sinceStartMs: () => number): MeasureOptions {
  const given = typeof from === "object" ? from : { ...(from === undefined ? {} : { start: from }), ...(to === undefined ? {} : { end: to }) };
  const isWhole = given.end !== undefined || (given.start !== undefined && given.duration !== undefined);
  return isWhole ? given : { ...given, end: sinceStartMs() };
}
