import { expect, it } from "vitest";
import type { Write } from "../record/write.ts";
import { outboxDueMax, type Store } from "./store.ts";

const startAtMs = Date.UTC(2026, 0, 15, 10, 23, 45, 120);
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

export function outboxWrite(id: string, atMs = startAtMs, notifier = "console"): Write {
  const message = { id, atMs, team: "team", agent: "research", severity: "critical", title: `${id} is hollow`, text: "Type longhaul show.", data: {} };
  return { type: "outbox", id, notifier, message, atMs, expiresAtMs: atMs + hourMs };
}

/** Part of the contract of the port: S6. */
export function testOutbox(current: () => Store): void {
  it("gives the first entry of each notifier when it is due, and the next instant", async () => {
    await current().write([outboxWrite("o1"), outboxWrite("o2"), outboxWrite("p1", startAtMs + 81, "pager"), outboxWrite("p2", startAtMs, "pager")]);

    expect(await current().outbox.due(startAtMs)).toMatchObject([{ id: "o1", notifier: "console", attempts: 0, nextAtMs: startAtMs, expiresAtMs: startAtMs + hourMs, notification: { title: "o1 is hollow" } }]);
    expect((await current().outbox.due(startAtMs + 81)).map(({ id }) => id)).toEqual(["o1", "p1"]);
    expect(await current().outbox.nextAtMs()).toBe(startAtMs);

    await current().outbox.failed("o1", { atMs: startAtMs, error: "refused", nextAtMs: startAtMs + minuteMs });
    expect((await current().outbox.due(startAtMs + minuteMs - 1)).map(({ id }) => id)).toEqual(["p1"]);
    expect(await current().outbox.nextAtMs()).toBe(startAtMs + 81);

    await current().outbox.delivered("p1", startAtMs + 100);
    await current().outbox.failed("o1", { atMs: startAtMs + minuteMs, error: "refused", nextAtMs: null });
    expect((await current().outbox.due(startAtMs + minuteMs)).map(({ id }) => id)).toEqual(["o2", "p2"]);
  });

  it("gives all entries whose time is over, so many at most, and wakes for the first of them", async () => {
    await current().write(Array.from({ length: outboxDueMax + 1 }, (_, index) => outboxWrite(`o${index}`, startAtMs + index)));
    await current().outbox.failed("o0", { atMs: startAtMs, error: "refused", nextAtMs: startAtMs + 3 * hourMs });

    expect(await current().outbox.nextAtMs()).toBe(startAtMs + hourMs);
    expect((await current().outbox.due(startAtMs + hourMs + 1)).map(({ id }) => id)).toEqual(["o0", "o1", "o2"]);
    expect(await current().outbox.due(startAtMs + 2 * hourMs)).toHaveLength(outboxDueMax);
  });

  it("never gives a delivered entry again, also when it is written again", async () => {
    await current().write([outboxWrite("o1")]);
    await current().outbox.delivered("o1", startAtMs);
    await current().write([outboxWrite("o1")]);
    await current().outbox.failed("o1", { atMs: startAtMs, error: "too late", nextAtMs: startAtMs });

    expect(await current().outbox.due(startAtMs + hourMs)).toEqual([]);
    expect(await current().outbox.nextAtMs()).toBeNull();
  });

  it("gives a failed entry again at the instant that was set, until it is given up", async () => {
    await current().write([outboxWrite("o1")]);
    await current().outbox.failed("o1", { atMs: startAtMs, error: "refused", nextAtMs: startAtMs + minuteMs });

    expect(await current().outbox.due(startAtMs + minuteMs - 1)).toEqual([]);
    expect(await current().outbox.due(startAtMs + minuteMs)).toMatchObject([{ id: "o1", attempts: 1 }]);

    await current().outbox.failed("o1", { atMs: startAtMs + minuteMs, error: "refused", nextAtMs: null });
    expect(await current().outbox.due(startAtMs + 9 * hourMs)).toEqual([]);
    expect(await current().outbox.nextAtMs()).toBeNull();
  });

  it("still gives an expired entry, so that it can be failed and is not forgotten", async () => {
    await current().write([outboxWrite("o1")]);

    expect(await current().outbox.due(startAtMs + 2 * hourMs)).toMatchObject([{ id: "o1", expiresAtMs: startAtMs + hourMs }]);
  });
}
