import { join } from "node:path";
import { consoleNotifier, defineAgent, defineTeam, defineTool, every, type RetentionSpec, type TeamDefinition } from "longhaul";
import { z } from "zod";
import { SqliteDatabase } from "../../src/db/sqlite.ts";
import { openDiskTeam } from "../fixture/disk-team.ts";
import { fastDirectory } from "./fast-directory.ts";
import { forgetfulModel } from "./forgetful-model.ts";

const dayMsDefault = 86_400_000;

export interface SteadyOptions {
  readonly days: number;
  /** How long a day is. Default 24 hours. */
  readonly dayMs?: number;
  /** How many times as much it does. Default 1. */
  readonly pace?: number;
  /** Default: that of Longhaul. */
  readonly retention?: RetentionSpec;
  /** Told of each day that is over. */
  readonly onDay?: (day: Day) => void;
}

/** The data file at the end of a day of virtual time. */
export interface Day {
  readonly day: number;
  readonly fileBytes: number;
  /** Of them, what holds nothing. */
  readonly freeBytes: number;
  readonly tasks: number;
  readonly steps: number;
  readonly records: number;
  readonly messages: number;
  readonly payloads: number;
  readonly keys: number;
}

let count = 0;

const look = defineTool({
  name: "look", description: "Looks", inputSchema: z.object({}), effect: "once",
  // Each time another document, too long for a row.
  execute: async () => ({ document: `${++count} ${"word ".repeat(1_200)}` }),
});
/** `pace`: how many times as often as every half hour, quarter and hour. */
function steadyTeam(pace: number, retention: RetentionSpec | undefined): TeamDefinition {
  const minutes = (count: number) => every((count / pace) * 60_000);
  const reader = defineAgent({ name: "reader", run: async (ctx, input) => ctx.step("read", () => ({ input })) });
  const asking = defineAgent({ name: "asking", model: "anthropic/test", instructions: "Look, then say what you saw.", tools: [look], triggers: [minutes(30)] });
  const plain = defineAgent({
    name: "plain", triggers: [minutes(15)],
    run: async (ctx) => {
      const first = await ctx.step("first", () => ({ at: ctx.now() }));
      await ctx.sleep(1_000);
      await ctx.send(reader, first);
      return await ctx.step("second", () => ({ seen: first.at }));
    },
  });
  const caller = defineAgent({ name: "caller", triggers: [minutes(60)], run: async (ctx) => (await ctx.call(reader, { at: ctx.now() }, { accepts: ["unverified"] })).output });
  // Not so often in a row that it would be down.
  const failing = defineAgent({
    name: "failing", triggers: [minutes(60)],
    run: async (ctx) => {
      const tries = await ctx.step("tries", () => ++count);
      if (tries % 2 === 0) throw new Error("broken");
      return tries;
    },
  });
  return defineTeam({ name: "steady", agents: [asking, reader, plain, caller, failing], notify: [consoleNotifier()], ...(retention === undefined ? {} : { retention }) });
}

/** Lets a team do the same every day, on a data file, by a virtual clock. */
export async function runSteadyTeam({ days, dayMs = dayMsDefault, pace = 1, retention, onDay }: SteadyOptions): Promise<readonly Day[]> {
  const directory = fastDirectory();
  // The lease is no part of what is measured; its renewals would be most of the commits.
  const team = await openDiskTeam(steadyTeam(pace, retention), { directory: directory.path, leaseMs: 3_650 * dayMsDefault, model: forgetfulModel(({ messages }) => (messages.at(-1)?.role === "tool" ? `seen ${++count}` : { toolCalls: [{ toolName: "look", input: {} }] })) });
  try {
    const seen: Day[] = [];
    for (let day = 1; day <= days; day++) {
      await team.advance(dayMs);
      const today = measure(join(directory.path, "longhaul.db"), day);
      seen.push(today);
      onDay?.(today);
    }
    return seen;
  } finally {
    await team.close();
    directory.remove();
  }
}

function measure(file: string, day: number): Day {
  const db = SqliteDatabase.openReadOnly(file);
  try {
    const rows = (table: string): number => Number(db.get(`SELECT count(*) AS n FROM ${table}`)?.["n"]);
    const { pages, free, pageBytes } = db.size;
    return {
      day, fileBytes: pages * pageBytes, freeBytes: free * pageBytes,
      tasks: rows("lh_task"), steps: rows("lh_journal"), records: rows("lh_record"), messages: rows("lh_message"), payloads: rows("lh_payload"), keys: rows("lh_key"),
    };
  } finally {
    db.close();
  }
}
