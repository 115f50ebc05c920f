import { expect, it } from "vitest";
import { runSteadyTeam } from "./steady-team.ts";

/** A key is for 400 days. A task stays listed until 100 more of its agent have ended. */
const bytesPerKeyMax = 250;
const bytesPerTaskMax = 4_000;

it("keeps the data file of a team that does the same every day as large as it is, once all of it has come to be past its time", { timeout: 180_000 }, async () => {
  const days = await runSteadyTeam({ days: 8, dayMs: 3 * 3_600_000, pace: 4, retention: { journals: "1h", deadLetters: "1h", records: "2h", rollups: "3h" } });
  const [steady, last] = [days[3], days.at(-1)];
  if (steady === undefined || last === undefined) throw new Error("it did not run");

  expect(steady.records).toBeGreaterThan(300);
  for (const kind of ["steps", "records", "messages", "payloads"] as const) expect({ kind, ratio: last[kind] / steady[kind] }).toEqual({ kind, ratio: expect.toSatisfy((ratio: number) => ratio < 1.25) });
  const grown = last.fileBytes - last.freeBytes - (steady.fileBytes - steady.freeBytes);
  expect(grown).toBeLessThan((last.keys - steady.keys) * bytesPerKeyMax + Math.max(0, last.tasks - steady.tasks) * bytesPerTaskMax);
});
