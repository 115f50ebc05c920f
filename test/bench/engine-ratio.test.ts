import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import type { Comparison } from "../../bench/engine/compare.ts";

const bench = async (script: string, ...options: readonly string[]): Promise<unknown> => {
  const path = join(import.meta.dirname, "../../bench", script);
  const { stdout } = await promisify(execFile)(process.execPath, ["--conditions=longhaul-source", path, "--json", ...options]);
  return JSON.parse(stdout);
};

/** Ratios of processor times, in processes of their own: neither others on the machine nor its disk make much of a difference to them. What is asked is two fifths of what is measured. */
describe("the embedded engine beside a bare loop that writes the same rows", () => {
  it("takes no more of the processor than it may", { timeout: 180_000 }, async () => {
    const found = (await bench("engine.ts", "--rounds", "5", "--ms", "300", "--only", "short")) as Readonly<Record<string, Comparison>>;
    const ratioOf = (kind: string): number => Object.entries(found).find(([name]) => name.includes(kind))?.[1].cpuRatio ?? 0;

    expect(ratioOf("full records")).toBeGreaterThan(0.22);
    expect(ratioOf("journal only")).toBeGreaterThan(0.12);
  });

  it("loses nothing and repeats one step a run at the most when it is killed", { timeout: 180_000 }, async () => {
    const [found] = (await bench("kill.ts", "--runs", "40", "--steps", "6", "--step-ms", "50", "--rounds", "1")) as readonly { readonly lost: number; readonly executedTwiceInOneRun: number }[];

    expect(found?.lost).toBe(0);
    expect(found?.executedTwiceInOneRun).toBeLessThanOrEqual(1);
  });
});
