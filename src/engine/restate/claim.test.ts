import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { messageOf } from "../../base/error.ts";
import type { EngineAgent } from "../engine.ts";
import { defaultEngineLimits } from "../limits.ts";
import { type Activation, giveSlots } from "./claim.ts";
import { EngineRows, type Made } from "./engine-rows.testsuite.ts";
import { Writer } from "./writer.ts";

const agent: EngineAgent = { name: "a", version: "1", concurrency: 2, queueMax: 1_000 };
let rows: EngineRows;
let faults: string[];

beforeAll(async () => {
  rows = await EngineRows.open();
});
afterAll(() => rows.db.close());
beforeEach(async () => {
  await rows.empty();
  faults = [];
});

const give = (writer = rows.writer): Promise<readonly Activation[]> => giveSlots({ writer, clock: rows.clock, newId: rows.newId, onFault: (error) => faults.push(messageOf(error)) }, agent, "c");
const runsOf = (given: readonly Activation[]): ReadonlySet<string> => new Set(given.map(({ runId }) => runId));
const queue = async (count: number): Promise<readonly Made[]> => {
  const made = await Promise.all(Array.from({ length: count }, () => rows.make({ status: "queued" })));
  return made.toSorted((a, b) => a.task.serial - b.task.serial);
};

async function whileStuck(stuck: readonly Made[], test: () => Promise<void>): Promise<void> {
  await rows.db.exec(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'this row cannot be written'; END $$;
    CREATE TRIGGER refuse BEFORE UPDATE ON lh_task FOR EACH ROW WHEN (NEW.serial = ANY ('{${stuck.map(({ task }) => task.serial).join(",")}}'::bigint[])) EXECUTE FUNCTION refuse()`);
  try {
    await test();
  } finally {
    await rows.db.exec("DROP TRIGGER refuse ON lh_task; DROP FUNCTION refuse");
  }
}

it("gives slots to those behind tasks that cannot be given one, and no more than there are", async () => {
  const stuck = await queue(5);
  const behind = await queue(3);

  await whileStuck(stuck, async () => {
    const given = await give();

    expect(runsOf(given)).toEqual(new Set([behind[0]?.runId, behind[1]?.runId]));
    expect(await Promise.all(stuck.map((task) => rows.statusOf(task)))).toEqual(stuck.map(() => "queued"));
    expect(faults).toEqual(stuck.map(() => "this row cannot be written"));
    // Asked once more, since the answer was lost: the same.
    expect(runsOf(await give())).toEqual(runsOf(given));
  });
});

it("asks for no slot in vain for all who are in line, when one of them cannot be given any and the last slot is given", async () => {
  await rows.make();
  const [stuck, next] = (await queue(20)) as [Made, Made];
  let given = 0;
  const writer = new Writer({ db: rows.db, clock: rows.clock, limits: defaultEngineLimits, apply: () => Promise.resolve(), observe: () => [], onCommitted: () => undefined, onFault: () => undefined, tell: () => Promise.resolve(void given++) });

  await whileStuck([stuck], async () => {
    expect(runsOf(await give(writer))).toEqual(new Set([next.runId]));
  });

  expect(given).toBe(1);
});
