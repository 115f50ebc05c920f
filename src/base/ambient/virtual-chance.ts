import type { Clock } from "../clock.ts";
import type { Random } from "../random.ts";

type IntegerArray = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | BigInt64Array | BigUint64Array;
type Done<T> = (error: null, value: T) => void;

const getRandomValuesBytesMax = 65_536;

export interface VirtualChanceOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly laterTurn: (work: () => void) => void;
}

/** The functions by which code draws random bytes, over a seeded stream. With a callback they answer in a later turn, as the platform does. */
export function createVirtualChance({ clock, random, laterTurn }: VirtualChanceOptions) {
  const fill = (bytes: Uint8Array): void => {
    for (let index = 0; index < bytes.length; index++) bytes[index] = Math.floor(random.next() * 256);
  };
  const bytesOf = (size: number): Buffer => {
    const bytes = Buffer.alloc(size);
    fill(bytes);
    return bytes;
  };
  const answer = <T>(value: T, done: Done<T> | undefined): T | undefined => {
    if (done === undefined) return value;
    laterTurn(() => done(null, value));
    return undefined;
  };
  const fillPart = <T extends ArrayBufferView | ArrayBuffer>(target: T, offset = 0, size?: number): T => {
    const view = ArrayBuffer.isView(target) ? new Uint8Array(target.buffer, target.byteOffset, target.byteLength) : new Uint8Array(target);
    fill(view.subarray(offset, size === undefined ? undefined : offset + size));
    return target;
  };
  return {
    randomUUID: () => toUuid(bytesOf(16), 4),
    randomUUIDv7: () => {
      const bytes = bytesOf(16);
      bytes.writeUIntBE(Math.floor(clock.now()), 0, 6);
      return toUuid(bytes, 7);
    },
    getRandomValues: <T extends IntegerArray>(target: T): T => {
      if (target.byteLength > getRandomValuesBytesMax) throw new DOMException(`The requested length exceeds ${getRandomValuesBytesMax} bytes`, "QuotaExceededError");
      return fillPart(target);
    },
    randomBytes: (size: number, done?: Done<Buffer>) => answer(bytesOf(size), done),
    randomFillSync: fillPart,
    randomFill: <T extends ArrayBufferView>(target: T, ...rest: readonly unknown[]) => {
      const numbers = rest.filter((value): value is number => typeof value === "number");
      const done = rest.find((value): value is Done<T> => typeof value === "function");
      return answer(fillPart(target, ...numbers), done);
    },
    randomInt: (...given: readonly unknown[]) => {
      const [first = 0, second] = given.filter((value): value is number => typeof value === "number");
      const [min, max] = second === undefined ? [0, first] : [first, second];
      return answer(min + Math.floor(random.next() * (max - min)), given.find((value): value is Done<number> => typeof value === "function"));
    },
  };
}

function toUuid(bytes: Buffer, version: number): string {
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | (version << 4);
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
