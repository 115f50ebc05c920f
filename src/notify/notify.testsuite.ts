import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Notification } from "../record/notification.ts";
import type { Notifier } from "./notify.ts";

export interface NotifierFixture {
  readonly notifier: Notifier;
  /** What has arrived, as text, oldest first. */
  readonly arrived: readonly string[];
  /** From now on the receiver takes nothing. */
  breakDown(): void;
  close(): Promise<void>;
}

export const sample: Notification = {
  id: "n_1", atMs: Date.UTC(2026, 0, 15, 10, 23, 45, 120), team: "prospecting", agent: "research", severity: "critical",
  title: "research is hollow", text: "5 runs succeeded, nothing was accomplished.\nType: longhaul health", data: { runs: 5 },
};

/** The contract of telling a human, for every notifier. */
export function testNotifier({ name, create }: { readonly name: string; readonly create: () => Promise<NotifierFixture> }): void {
  describe(`${name}, the contract of notifiers`, () => {
    let fixture: NotifierFixture;
    const { signal } = new AbortController();
    beforeEach(async () => {
      fixture = await create();
    });
    afterEach(() => fixture.close());

    test("has a name", () => {
      expect(fixture.notifier.name).not.toBe("");
    });

    test("a message has arrived when send resolves, with severity, team, title and text", async () => {
      await fixture.notifier.send(sample, signal);

      expect(fixture.arrived).toHaveLength(1);
      for (const part of ["critical", "prospecting", "research is hollow", "nothing was accomplished.", "longhaul health"]) expect(fixture.arrived[0]).toContain(part);
    });

    test("messages arrive in the order of their sending", async () => {
      for (const title of ["one", "two", "three"]) await fixture.notifier.send({ ...sample, title }, signal);

      expect(fixture.arrived.map((text) => /one|two|three/.exec(text)?.[0])).toEqual(["one", "two", "three"]);
    });

    test.each(["info", "warning", "critical", "resolved"] as const)("the severity %s is shown", async (severity) => {
      await fixture.notifier.send({ ...sample, severity, agent: null, text: "" }, signal);

      expect(fixture.arrived[0]).toContain(severity);
    });

    test("a receiver that takes nothing is a coded error with a remedy and the advice to try again", async () => {
      fixture.breakDown();

      await expect(fixture.notifier.send(sample, signal)).rejects.toMatchObject({ code: "NOTIFY_FAILED", retry: "backoff", message: expect.stringContaining("Check") });
    });

    test("a signal that has aborted stops the sending", async () => {
      await expect(fixture.notifier.send(sample, AbortSignal.abort(new Error("stopping")))).rejects.toThrow("stopping");
      expect(fixture.arrived).toEqual([]);
    });

    test("a hundred messages leave no listener on a long-lived signal", async () => {
      const longLived = new AbortController().signal;

      for (let count = 0; count < 100; count++) await fixture.notifier.send(sample, longLived);

      expect(getEventListeners(longLived, "abort")).toHaveLength(0);
      expect(fixture.arrived).toHaveLength(100);
    });
  });
}
