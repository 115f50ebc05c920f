import { expect, it } from "vitest";
import { toLogRecord } from "../record/log-record.ts";
import type { Write } from "../record/write.ts";
import type { Store } from "./store.ts";

const hourMs = 3_600_000;

function guarded(epoch: number, id: string): readonly Write[] {
  return [{ type: "lease", name: "duty", epoch }, { type: "record", record: toLogRecord(id, 0, "team", { event_type: "task" }) }];
}

/** Part of the contract of the port: S7. */
export function testLeases(store: () => Store): void {
  const acquire = (holder: string, ttlMs = hourMs) => store().leases.acquire({ name: "duty", holder, ttlMs });

  it("is had by one of many who ask at once", async () => {
    const answers = await Promise.all(["a", "b", "c", "d"].map((holder) => acquire(holder)));

    expect(answers.filter(({ epoch }) => epoch !== null)).toEqual([{ epoch: 1, vacantMs: null }]);
    const held = answers.find(({ epoch }) => epoch === null);
    expect(held).toEqual({ epoch: null, heldMs: expect.any(Number) });
    expect(held !== undefined && "heldMs" in held && held.heldMs > hourMs - 60_000 && held.heldMs <= hourMs).toBe(true);
  });

  it("is another one under another name", async () => {
    await acquire("a");

    expect(await store().leases.acquire({ name: "other", holder: "b", ttlMs: hourMs })).toMatchObject({ epoch: 1 });
  });

  it("goes to the next one when it has expired, with the next epoch", async () => {
    await acquire("a", 0);

    const next = await acquire("b");

    expect(next).toEqual({ epoch: 2, vacantMs: expect.any(Number) });
    expect(await store().leases.renew({ name: "duty", epoch: 1, ttlMs: hourMs })).toBe(false);
  });

  it("is prolonged while nobody else took it, also late", async () => {
    await acquire("a", 0);

    expect(await store().leases.renew({ name: "duty", epoch: 1, ttlMs: hourMs })).toBe(true);
    expect(await acquire("b")).toMatchObject({ epoch: null });
  });

  it("is given again to its holder, whose first answer was lost", async () => {
    await acquire("a");

    expect(await acquire("a")).toMatchObject({ epoch: 2 });
    expect(await acquire("b")).toMatchObject({ epoch: null });
  });

  it("can be had at once when it was given up, and only by its holder is it", async () => {
    await acquire("a");
    await store().leases.release({ name: "duty", epoch: 7 });
    expect(await acquire("b")).toMatchObject({ epoch: null });

    await store().leases.release({ name: "duty", epoch: 1 });
    await store().leases.release({ name: "duty", epoch: 1 });

    expect(await acquire("b")).toMatchObject({ epoch: 3 });
  });

  it("lets its holder write, and refuses whole what an earlier one writes", async () => {
    await acquire("a", 0);
    await store().write(guarded(1, "x1"));
    await acquire("b");

    await expect(store().write(guarded(1, "x2"))).rejects.toMatchObject({ code: "STORE_LEASE_LOST" });
    await store().write(guarded(2, "x3"));

    expect((await store().records.query({})).map(({ record }) => record.id)).toEqual(["x1", "x3"]);
  });

  it("refuses a holder who gave it up", async () => {
    await acquire("a");
    await store().leases.release({ name: "duty", epoch: 1 });

    await expect(store().write(guarded(1, "x1"))).rejects.toMatchObject({ code: "STORE_LEASE_LOST" });
  });

  it("guards what becomes of a notification", async () => {
    await acquire("a");
    const guard: Write = { type: "lease", name: "duty", epoch: 1 };
    await store().write([{ type: "outbox", id: "n1", notifier: "console", message: {}, atMs: 0, expiresAtMs: hourMs }]);
    await store().leases.release({ name: "duty", epoch: 1 });

    await expect(store().outbox.delivered("n1", 1, [guard])).rejects.toMatchObject({ code: "STORE_LEASE_LOST" });
    await expect(store().outbox.failed("n1", { atMs: 1, error: "no", nextAtMs: null }, [guard])).rejects.toMatchObject({ code: "STORE_LEASE_LOST" });

    expect(await store().outbox.due(1)).toMatchObject([{ id: "n1", attempts: 0 }]);
  });
}
