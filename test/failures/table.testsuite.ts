import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryDirectory } from "../fixture/disk-team.ts";
import { type FailureCase, nameOf } from "./case.ts";
import { DiskGround } from "./disk-ground.ts";
import { runCase } from "./run-case.ts";

/** One test for each of these lines of the table. */
export function testFailures(cases: readonly FailureCase[]): void {
  let directory: ReturnType<typeof temporaryDirectory>;
  beforeAll(() => {
    directory = temporaryDirectory();
  });
  afterAll(() => directory.remove());

  test.each(cases.map((failure, index) => [nameOf(failure), failure, index] as const))("%s", { timeout: 60_000 }, async (name, failure, index) => {
    const folder = join(directory.path, String(index));
    mkdirSync(folder);

    const { violations, surprises } = await runCase(failure, { ground: new DiskGround(folder), folder, seed: 1 });

    const again = `npm run failures -- --only ${JSON.stringify(name)}`;
    expect({ again, violations, surprises }).toEqual({ again, violations: [], surprises: [] });
  });
}
