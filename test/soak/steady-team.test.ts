import { expect, it } from "vitest";
import { fitSlope } from "./slope.ts";
import { runSteadyTeam } from "./steady-team.ts";

it("keeps the data file of a team that does the same every day as large as it is, once all of it has come to be past its time", { timeout: 120_000 }, async () => {
  const days = await runSteadyTeam({ days: 10, dayMs: 6 * 3_600_000, pace: 6, retention: { journals: "1h", deadLetters: "2h", records: "6h", rollups: "12h" } });
  // Quarters of a day: all of it has come to be past its time after three, and all agents list what they list after four.
  const [steady, last] = [days[4], days.at(-1)];

  // What is kept is kept: a day's records, and what the agents listed.
  expect(steady?.records).toBeGreaterThan(300);
  for (const kind of ["steps", "tasks", "records", "messages", "payloads"] as const) expect((last?.[kind] ?? 0) / (steady?.[kind] ?? 1), kind).toBeLessThan(1.1);
  expect((last?.fileBytes ?? 0) / (steady?.fileBytes ?? 1)).toBeLessThan(1.15);
  // A key is for 400 days, and is the only thing that is added: less than 250 bytes for each.
  const { perX } = fitSlope(days.slice(4).map(({ day, fileBytes, freeBytes }) => ({ x: day, y: fileBytes - freeBytes })));
  const keysADay = ((last?.keys ?? 0) - (steady?.keys ?? 0)) / (days.length - 5);
  expect(perX).toBeLessThan(keysADay * 250);
});
