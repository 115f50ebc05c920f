import { expect, it } from "vitest";
import { simulate } from "../../src/lab/simulation/simulate.ts";

const team = new URL("./fixture/trouble-team.ts", import.meta.url);

// Long enough for a thread to start on a busy machine.
const troubled = (trouble: string): Promise<unknown> => simulate({ team, horizon: "1d", stallAfter: "12s", environment: { TROUBLE: trouble } });

it.concurrent.each([
  ["step: a real wait", "SIMULATION_STALLED", /stands still at 2026-01-01T01:00:00.000Z for 12 s: it waits for something real \(FSEventWrap\)/],
  ["step: a busy loop", "SIMULATION_STALLED", /stands still at 2026-01-01T01:00:00.000Z .* never returns to the event loop/],
  ["step: turn after turn", "SIMULATION_STALLED", /it waits for something real \(Immediate\)/],
  ["import: a busy loop", "SIMULATION_STALLED", /stands still .* never returns to the event loop/],
  ["never imported", "SIMULATION_STALLED", /standstill while opening the team/],
  ["step: exit", "SIMULATION_FAILED", /ended with 3 before the horizon/],
  ["step: a throw in a timer", "SIMULATION_FAILED", /nobody catches this/],
  ["step: an unhandled rejection", "SIMULATION_FAILED", /nobody awaits this/],
  ["no team", "TEAM_INVALID", /./],
])("a simulation of %s ends with %s, in bounded real time", async (trouble, code, message) => {
  await expect(troubled(trouble)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
});

it("a simulation whose module does not exist says so", async () => {
  await expect(simulate({ team: "no-such-team.ts", horizon: "1d" })).rejects.toMatchObject({ message: expect.stringContaining("no-such-team.ts") });
});
