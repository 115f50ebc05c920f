import { usd } from "longhaul";
import type { FailureCase } from "../case.ts";
import { always, hourMs, minuteMs, secondMs, verified } from "./faults.ts";

/** Limits of money, turns and time. */
export const budgetCases: readonly FailureCase[] = [
  { layer: "budget", fault: "perTask below the cost of one call", budget: { perTask: usd(0.0001) }, expect: { end: "waiting(budget)", deliveries: 0, backMs: 0, callsMax: 0, did: ["budget refused"] } },
  { layer: "budget", fault: "perTask used up by answers that break off", budget: { perTask: usd(0.02) }, faults: always({ kind: "cut", afterEvents: 4 }), expect: { end: "waiting(budget)", deliveries: 0, backMs: [0, 2 * minuteMs], callsMax: 3, did: ["budget refused"] } },
  {
    layer: "budget", fault: "perDay used up by another task, half an hour before midnight", budget: { perTask: usd(0.025), perDay: usd(0.025) }, startAtMs: Date.UTC(2026, 0, 1, 23, 30),
    faults: (call) => (call <= 3 ? { kind: "cut", afterEvents: 4 } : undefined),
    play: async (world) => {
      const other = await world.team.submit("courier", { order: "another" });
      await world.advance(secondMs);
      await world.team.live.operations.cancel(other, "it has cost enough");
      await world.submit();
    },
    expect: { ...verified, backMs: 29 * minuteMs + 59 * secondMs, callsMax: 6, did: ["budget refused", "waiting(budget)"] },
  },
  { layer: "budget", fault: "two turns for a work of three", limits: { turnsMax: 2 }, expect: { end: "dead(turn-limit)", deliveries: 1, backMs: 0, callsMax: 2 } },
  {
    layer: "budget", fault: "a deadline of an hour, and a provider that is down", limits: { deadline: "1h" }, faults: always({ kind: "network", failure: "ECONNREFUSED" }),
    expect: { end: "dead(deadline)", deliveries: 0, backMs: [hourMs, hourMs + minuteMs], callsMax: 15, did: ["waiting(retry)"] },
  },
];
