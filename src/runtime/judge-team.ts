import { computeHealth } from "../judge/health.ts";
import type { HealthVerdict } from "../record/health.ts";
import type { Manifest } from "./manifest.ts";
import { type ObservationSource, observeTeam } from "./observe-team.ts";

/** The health of every agent and flow at `nowMs`; of none, when no team ever ran on the data. */
export async function judgeTeam(source: ObservationSource, manifest: Manifest | null, nowMs: number): Promise<readonly HealthVerdict[]> {
  if (manifest === null) return [];
  const agents = await observeTeam(source, manifest, nowMs);
  return agents.map(({ observation, expectation }) => computeHealth(observation, expectation, nowMs));
}
