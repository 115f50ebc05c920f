import { afterAll, beforeAll, expect, it } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { messageOf } from "../../base/error.ts";
import { EngineRows, type Made } from "./engine-rows.testsuite.ts";
import { stored } from "./envelope.ts";
import { FactStore, ToldSteps } from "./facts.ts";
import { lastTold } from "./journal.ts";

let rows: EngineRows;
beforeAll(async () => {
  rows = await EngineRows.open();
});
afterAll(() => rows.db.close());

/** One step that its code was told. */
function toldOf({ runSerial }: Made): ToldSteps {
  const told = new ToldSteps({ run: runSerial, activation: 1, suspect: null, toldBefore: 0 });
  const step = { kind: "code", name: "fetch", occurrence: 1, number: 1, attempt: 1, startedAtMs: 0, completedAtMs: 1, outcome: { ok: true, value: null }, outcomeBytes: 24 } as const;
  told.add("code/fetch/1", { ...stored(step), isStored: false });
  return told;
}

it("what one run was told and cannot be stored keeps that of no other from it", async () => {
  const [first, stuck, last] = [await rows.make(), await rows.make(), await rows.make()];
  const faults: string[] = [];
  const facts = new FactStore(rows.writer, systemClock, (error) => faults.push(messageOf(error)));
  await rows.db.exec(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'this row cannot be written'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON lh_told FOR EACH ROW WHEN (NEW.run = ${stuck.runSerial}) EXECUTE FUNCTION refuse()`);

  for (const made of [first, stuck, last]) facts.note(toldOf(made));
  await facts.flushed();

  expect(await Promise.all([first, stuck, last].map(({ runSerial }) => lastTold(rows.db, runSerial)))).toEqual([1, 0, 1]);
  expect(faults).toEqual(["this row cannot be written"]);
});
