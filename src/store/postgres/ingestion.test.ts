import { beforeEach, describe, expect, it } from "vitest";
import { macrotask } from "../../base/turn.ts";
import { VirtualClock } from "../../base/virtual-clock.ts";
import { toLogRecord } from "../../record/log-record.ts";
import { type Fact, type FactRows, Ingestion } from "./ingestion.ts";

let clock: VirtualClock;
let written: string[][];
/** What the next writes end with; null, or nothing, is success. */
let ends: (Error | null)[];
/** While set, writes wait for it. */
let gate: Promise<void> | null;
let ingestion: Ingestion;

beforeEach(() => {
  clock = new VirtualClock();
  written = [];
  ends = [];
  gate = null;
  ingestion = new Ingestion({
    clock,
    async write(rows) {
      await (gate ?? macrotask());
      const end = ends.shift() ?? faultOf(rows);
      if (end !== null) throw end;
      written.push(rows.records.map(([id]) => String(id)));
    },
  });
});

/** What the database says of rows that it does not take. */
function faultOf({ records }: FactRows): Error | null {
  return records.some(([id]) => String(id).startsWith("poison")) ? Object.assign(new Error("violates a constraint"), { code: "23514" }) : null;
}

function facts(count: number, name = "x", dataLength = 0): readonly Fact[] {
  return Array.from({ length: count }, (_, index) => ({ type: "record", record: toLogRecord(`${name}${index}`, 0, "team", { event_type: "task", data: { text: "y".repeat(dataLength) } }) }));
}

const lost = (): Error => Object.assign(new Error("gone"), { code: "ECONNRESET" });

describe("facts of many steps", () => {
  it("are written together, after a moment, in the order of their acceptance", async () => {
    for (const name of ["a", "b", "c"]) await ingestion.accept(facts(2, name));
    expect(written).toEqual([]);

    await clock.advance(200);

    expect(written).toEqual([["a0", "a1", "b0", "b1", "c0", "c1"]]);
    expect(clock.pendingAtMs).toEqual([]);
  });

  it("are written at once when they are many, or long", async () => {
    await ingestion.accept(facts(1_200));
    await clock.advance(0);
    expect(written.map((batch) => batch.length)).toEqual([500, 500, 200]);

    await ingestion.accept(facts(5, "long", 1_500_000));
    await clock.advance(0);
    expect(written.slice(3).map((batch) => batch.length)).toEqual([2, 2, 1]);
  });

  it("are on disk when flush resolves, also those that came while others were being written", async () => {
    await ingestion.accept(facts(1, "a"));
    const first = ingestion.flush();
    await ingestion.accept(facts(1, "b"));
    await ingestion.flush();
    await first;

    expect(written.flat()).toEqual(["a0", "b0"]);
    await ingestion.flush();
    expect(written).toHaveLength(2);
  });
});

describe("more than can be written", () => {
  it("has to wait, and is accepted in its turn", async () => {
    const held = Promise.withResolvers<void>();
    gate = held.promise;
    await ingestion.accept(facts(10_000));
    let isAccepted = false;
    const waiting = ingestion.accept(facts(1, "late")).then(() => {
      isAccepted = true;
    });
    await clock.advance(0);
    expect(isAccepted).toBe(false);

    held.resolve();
    gate = null;
    await waiting;
    await ingestion.flush();

    expect(written.flat()).toHaveLength(10_001);
    expect(written.flat().at(-1)).toBe("late0");
  });

  it("is counted in characters too", async () => {
    const held = Promise.withResolvers<void>();
    gate = held.promise;
    await ingestion.accept(facts(4, "long", 9_000_000));
    let isAccepted = false;
    const waiting = ingestion.accept(facts(1)).then(() => {
      isAccepted = true;
    });
    await clock.advance(0);

    expect(isAccepted).toBe(false);
    held.resolve();
    await waiting;
    await ingestion.flush();
  });
});

describe("a database that fails", () => {
  it("gets the same facts again until it has them; flush tells each failure", async () => {
    ends = [lost(), lost(), null];
    await ingestion.accept(facts(3));

    await expect(ingestion.flush()).rejects.toThrow("gone");
    const [second] = await Promise.allSettled([ingestion.flush(), clock.advance(1_000)]);
    await clock.advance(1_000);

    expect(second).toMatchObject({ status: "rejected", reason: { message: "gone" } });

    expect(written).toEqual([["x0", "x1", "x2"]]);
  });

  it("does not end the waiting of who brings more", async () => {
    await ingestion.accept(facts(10_000));
    ends = [lost()];
    const waiting = ingestion.accept(facts(1, "late"));
    await clock.advance(1_000);

    await waiting;
    await ingestion.flush();
    expect(written.flat()).toHaveLength(10_001);
  });
});

describe("a fact that the database refuses for its content", () => {
  it("is left out alone, and told by the next flush", async () => {
    await ingestion.accept([...facts(5), ...facts(1, "poison"), ...facts(5, "z")]);

    await expect(ingestion.flush()).rejects.toMatchObject({ code: "STORE_FACT_REFUSED", message: expect.stringContaining("record poison0") as string });

    expect(written.flat()).toEqual([...facts(5), ...facts(5, "z")].map((fact) => fact.type === "record" && fact.record.id));
    await ingestion.flush();
  });

  it("is refused at once where it is a bug of ours that needs no database", async () => {
    const [fact] = facts(1);
    const broken = { type: "record", record: { ...(fact as Extract<Fact, { type: "record" }>).record, timestamp: "yesterday" } } as const;

    await expect(ingestion.accept([broken])).rejects.toThrow(/Longhaul bug/);
    await ingestion.flush();
  });
});

describe("close", () => {
  it("writes what waits and takes no more", async () => {
    await ingestion.accept(facts(3));
    await ingestion.close();

    expect(written).toEqual([["x0", "x1", "x2"]]);
    expect(clock.pendingAtMs).toEqual([]);
    await expect(ingestion.accept(facts(1))).rejects.toMatchObject({ code: "ENGINE_CLOSED" });
  });

  it("says what it could not write, and who waited is told", async () => {
    ends = [lost()];
    await ingestion.accept(facts(10_000));
    const [waiting, closing] = await Promise.allSettled([ingestion.accept(facts(1, "late")), ingestion.close()]);

    expect(waiting).toMatchObject({ status: "rejected", reason: { code: "ENGINE_CLOSED" } });
    expect(closing).toMatchObject({ status: "rejected", reason: { message: "gone" } });
    expect(clock.pendingAtMs).toEqual([]);
  });
});
