import { afterAll, beforeAll, expect, it } from "vitest";
import type { PostgresDatabase } from "../../db/postgres.ts";
import { toFailure } from "../../record/failure.ts";
import type { EndedStep } from "../journaled-step.ts";
import { EngineRows } from "./engine-rows.testsuite.ts";
import { EnvelopeSerde, stored, type Envelope } from "./envelope.ts";
import { appendStep, hasUntold, lastTold, listJournal, listSteps, listTold, noteTold, type ToldStep } from "./journal.ts";
import { outcomeOf, textOf } from "./step-text.ts";

let db: PostgresDatabase;
let runs = 0;
beforeAll(async () => {
  ({ db } = await EngineRows.open());
});
afterAll(() => db.close());

async function createRun(): Promise<{ readonly id: string; readonly serial: number }> {
  const id = `r_${++runs}`;
  const row = await db.get("INSERT INTO lh_run (id, task_id, number, agent_version, started_at_ms, begun_at_ms, recoveries, format, loop_version) VALUES ($1, 't', 1, '1', 0, 0, 0, 1, 0) RETURNING serial", id);
  return { id, serial: Number(row?.["serial"]) };
}

function step(number: number, value: unknown = number): EndedStep {
  return { kind: "code", name: `step ${number}`, occurrence: 1, number, attempt: 1, startedAtMs: 1_000 * number, completedAtMs: 1_000 * number + 7, outcome: { ok: true, value: value as number } };
}

/** Code was told of steps numbered like their places. */
function told(from: number, to: number, rows: readonly number[] = []): readonly ToldStep[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index).map((seq) => ({ step: step(seq), text: textOf(step(seq)), isStored: rows.includes(seq) }));
}

const numbers = (steps: readonly { readonly number: number }[]): readonly number[] => steps.map(({ number }) => number);

it("is read once and in order, however attempts of one activation have parted it", async () => {
  const { id, serial } = await createRun();
  const note = (activation: number, from: number, to: number): Promise<void> => noteTold(db, [{ run: serial, activation, first: from, steps: told(from, to) }]);

  await note(1, 1, 4);
  await note(1, 1, 2);
  await note(1, 3, 6);
  await note(1, 5, 5);
  await note(2, 7, 8);

  expect(await listSteps(db, id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((seq) => ({ ...step(seq), seq })));
  expect(await lastTold(db, serial)).toBe(8);
  expect(numbers((await listTold(db, serial, 1)).map((ended) => ended.step))).toEqual([1, 2, 3, 4, 5, 6]);
  expect(await listJournal(db, serial, 2)).toMatchObject({ told: 6, steps: { length: 6 } });
});

it("holds the place of steps that are rows; those that were not told come behind", async () => {
  const { id, serial } = await createRun();
  for (const number of [9, 2, 3]) await appendStep(db, serial, 1, step(number));
  await noteTold(db, [{ run: serial, activation: 1, first: 1, steps: told(1, 4, [2, 3]) }]);

  expect(numbers(await listSteps(db, id))).toEqual([1, 2, 3, 4, 9]);
  expect((await listJournal(db, serial, 2)).told).toBe(4);
  expect((await listTold(db, serial, 1)).map(({ step: { number }, isStored }) => [number, isStored])).toEqual([[1, false], [2, true], [3, true], [4, false]]);
  const keys = (all: readonly number[]): ReadonlySet<string> => new Set(all.map((number) => `code/step ${number}/1`));
  expect(await hasUntold(db, { run: serial, activation: 1, attempt: 1 }, keys([1, 2, 3, 4]))).toBe(true);
  expect(await hasUntold(db, { run: serial, activation: 1, attempt: 1 }, keys([2, 3, 9]))).toBe(false);
  // What an earlier attempt was told this one is still to be.
  expect(await hasUntold(db, { run: serial, activation: 1, attempt: 2 }, keys([2, 3, 9]))).toBe(true);
});

it("gives back every value and name, for many runs at once", async () => {
  const strange = ["\u0000\u0001\u001E", "\uD800", 'a "quote" \\ and ünïcödé', "x".repeat(20_000), { $payload: null }, { deep: [[["y".repeat(5_000)], 1.5e300]], "": null }];
  const all = await Promise.all(strange.map(createRun));
  const steps = strange.map((value, index): EndedStep => ({ ...step(1, value), name: typeof value === "string" ? value.slice(0, 40).toWellFormed() : `step ${index}` }));

  await noteTold(db, all.map(({ serial }, index) => ({ run: serial, activation: 1, first: 1, steps: [{ step: steps[index] ?? step(1), text: textOf(steps[index] ?? step(1)), isStored: false }] })));

  for (const [index, { id }] of all.entries()) expect(await listSteps(db, id)).toEqual([{ ...steps[index], seq: 1 }]);
});

it("is the same for whoever executed a step and for whoever reads Restate's journal", () => {
  const failed: EndedStep = { ...step(3), outcome: { ok: false, failure: toFailure(new TypeError("no")) } };
  const steps = [step(1), step(2, { a: ["\u0000", 1] }), failed];
  const record = { type: "meta", name: "seen", value: 1 } as const;
  const envelopes: readonly Envelope[] = [
    ...steps.map((each) => ({ ...stored({ ...each, outcomeBytes: Buffer.byteLength(outcomeOf(textOf(each))) }), isStored: false })),
    { ...stored({ ...step(4), outcomeBytes: Buffer.byteLength(outcomeOf(textOf(step(4)))) }), writes: [record], isStored: false },
    stored({ ...step(5), outcomeBytes: Buffer.byteLength(outcomeOf(textOf(step(5)))) }),
    { type: "waiting", identity: { kind: "wait", name: "nap", occurrence: 2 }, awakeable: "sign_1" },
    { type: "gone" },
  ];
  for (const envelope of envelopes) {
    const own = new EnvelopeSerde();
    const bytes = own.serialize(envelope);
    expect(own.deserialize(bytes)).toBe(envelope);
    expect(JSON.parse(JSON.stringify(new EnvelopeSerde().deserialize(bytes)))).toEqual(JSON.parse(JSON.stringify(envelope)));
  }
});
