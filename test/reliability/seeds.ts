import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describeFault, type FaultPlan, planOf } from "./fault-plan.ts";
import { tellPlan } from "./seed-story.ts";
import { commandFor, shrinkPlan } from "./shrink.ts";

export interface SeedReport {
  readonly team: string;
  readonly seed: number;
  readonly commits: number;
  readonly sessions: number;
  /** What was planned; `occurred` of them came to pass. */
  readonly faults: readonly string[];
  readonly occurred: number;
  readonly violations: readonly string[];
  /** Tells the story again, shrunk where it was shrunk. */
  readonly command: string;
}

/** Tells what a seed stands for. A story that breaks an invariant is shrunk, and what is left of it is reported. */
export async function tellSeed(seed: number, folder: string): Promise<SeedReport> {
  const plan = planOf(seed);
  const report = await tellAndReport(plan, folder, commandFor(seed));
  if (report.violations.length === 0) return report;
  const { plan: shrunk, kept } = await shrinkPlan(plan, async (candidate) => (await tellAndReport(candidate, folder, "")).violations.length > 0);
  return await tellAndReport(shrunk, folder, commandFor(seed, kept, shrunk.horizonMs));
}

/** Tells a plan as it is. */
export async function tellAndReport(plan: FaultPlan, parent: string, command: string): Promise<SeedReport> {
  const folder = mkdtempSync(join(parent, "seed-"));
  try {
    const { commits, sessions, violations, occurred } = await tellPlan(plan, folder);
    return { team: plan.scenario.name, seed: plan.seed, faults: plan.faults.map(describeFault), command, commits, sessions, violations, occurred };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
