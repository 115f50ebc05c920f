import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryDirectory } from "../fixture/disk-team.ts";
import { type EngineName, type FailureCase, nameOf } from "./case.ts";
import { ClusterGround } from "./cluster-ground.ts";
import { DiskGround } from "./disk-ground.ts";
import { type Servers, startServers } from "./fixture/servers.ts";
import { runCase } from "./run-case.ts";

/** One test for each of these lines of the table. On the cluster, one Restate and one PostgreSQL are started for all of them. */
export function testFailures(engine: EngineName, cases: readonly FailureCase[]): void {
  let directory: ReturnType<typeof temporaryDirectory>;
  let servers: Servers | null = null;
  beforeAll(async () => {
    directory = temporaryDirectory();
    servers = engine === "restate" ? await startServers() : null;
  }, 60_000);
  afterAll(async () => {
    directory.remove();
    await servers?.close();
  });

  test.each(cases.map((failure, index) => [nameOf(failure), failure, index] as const))("%s", { timeout: 120_000 }, async (name, failure, index) => {
    const folder = join(directory.path, String(index));
    mkdirSync(folder);

    const ground = servers === null ? new DiskGround(folder) : await ClusterGround.open(servers);
    const { violations, surprises } = await runCase(failure, { ground, folder, seed: 1 });

    const again = `npm run failures -- --engine ${engine} --only ${JSON.stringify(name)}`;
    expect({ again, violations, surprises }).toEqual({ again, violations: [], surprises: [] });
  });
}
