import { expect, it } from "vitest";
import type { DutyView, OperatorView } from "../runtime/operator-view.ts";
import { findPresence } from "./team-presence.ts";

function viewOf(keeper: DutyView | null): Pick<OperatorView, "manifest" | "keeper" | "supervisor" | "diskUsedRatio" | "store"> {
  return { manifest: async () => ({ team: "t", startedAtMs: 0, awakeSinceMs: 0, workers: [] }), keeper: async () => keeper, supervisor: async () => null, diskUsedRatio: () => null, store: { records: { query: async () => [] } } as unknown as OperatorView["store"] };
}

it.each([
  { heldMs: 9_000, isRunning: true, isSilent: false, text: "t runs: w1 has its duties." },
  { heldMs: -2_000, isRunning: true, isSilent: true, text: "t runs, and its duties go to another worker: w1, which had them, is silent." },
  { heldMs: -60_000, isRunning: false, isSilent: false, text: "t does not run: the last worker that had its duties, w1, was not heard of for 1 min. Its work goes on with `longhaul start team.ts` and the flags that its workers have (--restate-ingress, --restate-admin, --listen)." },
])("tells of a team on a cluster whose duties are held for $heldMs ms", async ({ heldMs, ...presence }) => {
  expect(await findPresence(viewOf({ type: "worker", holder: "w1", heldMs }), 0)).toEqual({ team: "t", pid: null, supervisor: null, ...presence });
});

it("takes terminal controls and line breaks out of the name of whoever has the duties", async () => {
  expect((await findPresence(viewOf({ type: "worker", holder: "w\u001B[2J\n1", heldMs: 9_000 }), 0)).text).toBe("t runs: w\uFFFD[2J 1 has its duties.");
});

it("tells of a team whose workers gave the duties back", async () => {
  expect(await findPresence(viewOf(null), 0)).toMatchObject({ isRunning: false, text: "t does not run: it was stopped. Its work goes on with `longhaul start team.ts`." });
});
