import { expect, it } from "vitest";
import { macrotask } from "../../base/turn.ts";
import { VirtualClock } from "../../base/virtual-clock.ts";
import { Alarm } from "./alarm.ts";
import type { Writer } from "./writer.ts";

it("keeps the earlier instant when one is noted while it works off what was due", async () => {
  const clock = new VirtualClock();
  const fired: number[] = [];
  const answers: ((nextAtMs: number | null) => void)[] = [];
  const startMs = clock.now();
  const writer = { persist: () => new Promise((resolve) => answers.push(resolve)) } as unknown as Writer;
  const alarm = new Alarm({ clock, writer, onDue: () => fired.push(clock.now() - startMs), onFault: (error) => { throw error; } });
  const answer = async (nextAtMs: number | null): Promise<void> => {
    answers.shift()?.(nextAtMs);
    await macrotask();
  };
  alarm.start();
  alarm.note(startMs + 1_000);

  await answer(startMs + 60_000);
  await clock.advance(1_000);
  await answer(null);
  await clock.advance(100_000);

  expect(fired).toEqual([0, 1_000]);
  alarm.stop();
});
