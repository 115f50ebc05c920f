import type { Clock } from "../clock.ts";

/** `Date` whose now is the clock's. Dates made before and after it was put in place are of one kind: they share a prototype. */
export function createVirtualDate(clock: Clock): DateConstructor {
  const RealDate = globalThis.Date;
  function VirtualDate(...parts: readonly unknown[]): Date | string {
    if (new.target === undefined) return new RealDate(clock.now()).toString();
    const given = parts.length === 0 ? [clock.now()] : parts;
    const isPlain = new.target === (VirtualDate as unknown);
    // The short way is the common one: every record has a timestamp.
    if (isPlain && given.length === 1) return new RealDate(given[0] as number);
    return Reflect.construct(RealDate, given, isPlain ? RealDate : (new.target as unknown as DateConstructor)) as Date;
  }
  Object.defineProperties(VirtualDate, {
    name: { value: "Date" },
    length: { value: RealDate.length },
    prototype: { value: RealDate.prototype, writable: false },
    now: { value: () => Math.floor(clock.now()), writable: true, configurable: true },
    parse: { value: RealDate.parse, writable: true, configurable: true },
    UTC: { value: RealDate.UTC, writable: true, configurable: true },
  });
  return VirtualDate as unknown as DateConstructor;
}

/** Formatting "now", which is what `Intl` does when it is given no date, shows the clock's now. */
export function installVirtualDateFormat(clock: Clock): void {
  const prototype = Intl.DateTimeFormat.prototype;
  const real = Object.getOwnPropertyDescriptors(prototype);
  Object.defineProperty(prototype, "format", {
    configurable: true,
    get(this: Intl.DateTimeFormat) {
      const format = real.format.get?.call(this) as Intl.DateTimeFormat["format"];
      return (date?: Date | number) => format(date ?? clock.now());
    },
  });
  Object.defineProperty(prototype, "formatToParts", {
    ...real.formatToParts,
    value(this: Intl.DateTimeFormat, date?: Date | number) {
      return real.formatToParts.value?.call(this, date ?? clock.now());
    },
  });
}
