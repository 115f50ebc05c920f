import { join } from "node:path";
import { SqliteDatabase } from "../../../src/db/sqlite.ts";
import type { FailureCase } from "../case.ts";
import type { Hooks } from "../hooks.ts";
import type { World } from "../world.ts";
import { hourMs, minuteMs, secondMs, verified } from "./faults.ts";

const only = { engine: "embedded", because: "it is about the data file, and the servers have faults of their own" } as const;

/** What happens the first time that a point is reached. */
const at = (point: keyof Hooks, strike: (world: World) => void) => (world: World): Hooks => ({
  [point]: ({ count }: { readonly count: number }): undefined => {
    if (count === 1) strike(world);
  },
});

/** The disk is full from a point on, for so long. */
function full(fault: string, point: keyof Hooks, forMs: number): FailureCase {
  const play = async (world: World): Promise<void> => {
    await world.submit();
    await world.advance(forMs);
    world.disk.fill(false);
  };
  return { layer: "store", fault, only, hooks: at(point, (world) => world.disk.fill(true)), play, expect: { ...verified, backMs: [forMs, forMs + 5 * secondMs], callsMax: 3 } };
}

/** Another process holds the file's write lock from a point on, for so long. */
function locked(fault: string, point: keyof Hooks, forMs: number): FailureCase {
  const others: SqliteDatabase[] = [];
  const lock = (world: World): void => {
    // SQLite would wait in real time before it gives up.
    world.disk.db?.exec("PRAGMA busy_timeout = 5");
    const other = SqliteDatabase.open(join(world.disk.directory, "longhaul.db"));
    other.exec("BEGIN IMMEDIATE");
    others.push(other);
  };
  const play = async (world: World): Promise<void> => {
    await world.submit();
    await world.advance(forMs);
    for (const other of others.splice(0)) {
      other.exec("ROLLBACK");
      other.close();
    }
  };
  return { layer: "store", fault, only, hooks: at(point, lock), play, expect: { ...verified, backMs: [forMs, forMs + 5 * secondMs], callsMax: 3 } };
}

/** What the disk under the data file does, and who else uses the file. */
export const storeCases: readonly FailureCase[] = [
  full("full after a read", "lookUp", minuteMs),
  full("full after the intent of a delivery", "beforeDelivery", minuteMs),
  full("full after a delivery, before its commit", "afterDelivery", minuteMs),
  full("full for an hour after a delivery", "afterDelivery", hourMs),
  full("full before the end", "verify", minuteMs),
  {
    layer: "store", fault: "full after a delivery, and the process dies", only,
    hooks: at("afterDelivery", (world) => {
      world.disk.fill(true);
      world.die();
    }),
    expect: { ...verified, backMs: 20 * secondMs, callsMax: 3, did: ["process died"] },
  },
  locked("locked by another process after a read", "lookUp", minuteMs),
  locked("locked by another process after a delivery", "afterDelivery", minuteMs),
  {
    layer: "store", fault: "a reader that never lets go", only,
    play: async (world) => {
      const reader = SqliteDatabase.openReadOnly(join(world.disk.directory, "longhaul.db"));
      reader.exec("BEGIN");
      reader.get("SELECT count(*) FROM lh_run");
      try {
        await world.submit();
        await world.untilRest();
      } finally {
        reader.close();
      }
    },
    expect: { ...verified, backMs: 0, callsMax: 3 },
  },
];
