import { describe, expect, it } from "vitest";
import { LazyAbort } from "./lazy-abort.ts";

describe("a lazy abort", () => {
  it("tells those who hold its signal", () => {
    const abort = new LazyAbort();
    const told: unknown[] = [];
    abort.signal.addEventListener("abort", () => told.push(abort.signal.reason));
    const reason = new Error("over");

    abort.abort(() => reason);
    abort.abort(() => new Error("over again"));

    expect(told).toEqual([reason]);
    expect(abort.signal.aborted).toBe(true);
  });

  it("makes no reason while nobody asks, and an aborted signal for who asks later", () => {
    const abort = new LazyAbort();
    let made = 0;

    abort.abort(() => new Error(`reason ${++made}`));

    expect(made).toBe(0);
    expect(abort.signal.aborted).toBe(true);
    expect(abort.signal).toBe(abort.signal);
    expect(abort.signal.reason).toEqual(new Error("reason 1"));
    expect(made).toBe(1);
  });
});
