import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { VirtualClock } from "../base/virtual-clock.ts";
import { type Tool, type ToolCallOptions, toolResultBytesMax } from "./tool.ts";

export interface ToolFixture {
  /** The clock that the tools were made with. */
  readonly clock: VirtualClock;
  /** Input `{ text: string }`, returns the text. */
  readonly echo: Tool;
  /** Input `{}`, always fails with "the disk is full". */
  readonly fails: Tool;
  /** Input `{}`, never ends and ignores its signal. */
  readonly hangs: Tool;
  /** A call of `hangs` ends within this time. */
  readonly hangLimitMs: number;
  /** Input `{ bytes: number }`, returns a text of that length. */
  readonly huge: Tool;
  close(): Promise<void>;
}

export function callOptions(signal: AbortSignal = new AbortController().signal): ToolCallOptions {
  return { signal, idempotencyKey: "key-1", taskId: "t_1", runId: "r_1" };
}

/** The contract of one call of a tool, for every kind of tool. */
export function testTool({ name, create }: { readonly name: string; readonly create: () => Promise<ToolFixture> }): void {
  describe(`${name}, the contract of tools`, () => {
    let fixture: ToolFixture;
    beforeEach(async () => {
      fixture = await create();
    });
    afterEach(() => fixture.close());

    test("a tool says what models and the journal need to know about it", () => {
      expect(fixture.echo.inputSchema).toMatchObject({ type: "object", properties: { text: { type: "string" } } });
      expect(fixture.echo.description).not.toBe("");
      expect(["read", "idempotent", "once"]).toContain(fixture.echo.effect);
      expect(fixture.echo.timeoutMs).toBeGreaterThan(0);
    });

    test("returns the value", async () => {
      expect(await fixture.echo.call({ text: "häßlich \u0000 \u{1F600}" }, callOptions())).toEqual({ ok: true, value: "häßlich \u0000 \u{1F600}" });
    });

    test("twenty calls at once keep their answers apart", async () => {
      const texts = Array.from({ length: 20 }, (_, index) => `text ${index}`);

      const results = await Promise.all(texts.map((text) => fixture.echo.call({ text }, callOptions())));

      expect(results).toEqual(texts.map((value) => ({ ok: true, value })));
    });

    test.each([{}, { text: 7 }, { text: null }])("the invalid input %j is a result that names the field", async (input) => {
      const result = await fixture.echo.call(input, callOptions());

      expect(result).toMatchObject({ ok: false, message: expect.stringContaining("text") });
      expect(result.ok ? "" : result.kind).toMatch(/^(invalid-input|failed)$/);
    });

    test("an input that is not an object is a result", async () => {
      for (const input of ["text", 7, [1], true]) expect(await fixture.echo.call(input, callOptions())).toMatchObject({ ok: false });
    });

    test("a failure is a result that names the tool and the reason", async () => {
      const result = await fixture.fails.call({}, callOptions());

      expect(result).toEqual({ ok: false, kind: "failed", message: expect.stringMatching(/fails.*the disk is full/) });
    });

    test("a hang ends at its limit, and the next call works", async () => {
      const pending = fixture.hangs.call({}, callOptions());
      await fixture.clock.advance(fixture.hangLimitMs);

      expect(await pending).toEqual({ ok: false, kind: "timeout", message: expect.stringMatching(/hangs.* within .*(timeout|Timeout)/) });
      expect(await fixture.echo.call({ text: "on" }, callOptions())).toEqual({ ok: true, value: "on" });
    });

    test("a value over the limit is an error that names the limit and a remedy", async () => {
      const result = await fixture.huge.call({ bytes: toolResultBytesMax + 1 }, callOptions());

      expect(result).toEqual({ ok: false, kind: "too-large", message: expect.stringMatching(/huge.*262144 bytes.*Ask for a part/) });
      expect(await fixture.huge.call({ bytes: toolResultBytesMax - 2 }, callOptions())).toMatchObject({ ok: true });
    });

    test("an abort ends a call that ignores it as canceled, at once", async () => {
      const controller = new AbortController();
      const pending = fixture.hangs.call({}, callOptions(controller.signal));
      await fixture.clock.advance(1);

      controller.abort(new Error("the task was canceled"));

      expect(await pending).toEqual({ ok: false, kind: "canceled", message: expect.stringContaining("the task was canceled") });
    });

    test("a signal that has aborted before cancels the call", async () => {
      expect(await fixture.echo.call({ text: "x" }, callOptions(AbortSignal.abort("stop")))).toMatchObject({ ok: false, kind: "canceled" });
    });

    test("200 calls leave no listener on a long-lived signal and no timer", async () => {
      const { signal } = new AbortController();

      for (let call = 0; call < 200; call++) await fixture.echo.call({ text: "x" }, callOptions(signal));

      expect(getEventListeners(signal, "abort")).toHaveLength(0);
      expect(fixture.clock.pendingAtMs).toEqual([]);
    });
  });
}
