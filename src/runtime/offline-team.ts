import { existsSync } from "node:fs";
import type { Clock } from "../base/clock.ts";
import { LonghaulError } from "../base/error.ts";
import { createIds } from "../base/id.ts";
import type { Random } from "../base/random.ts";
import { dataDirectory as toDataDirectory } from "./data-directory.ts";
import { manifestName, parseManifest } from "./manifest.ts";
import { openData } from "./open-data.ts";
import { createOperations, type OpenOperations } from "./operations.ts";
import { createSecrets } from "./secrets.ts";
import { taskRecords } from "./task-record.ts";

/**
 * Operations on a team that does not run: this process owns the data directory for a moment and executes nothing.
 * @throws {STORE_NOT_FOUND} when no team ever ran there. @throws {ENGINE_OWNED} when one runs now.
 */
export async function openOfflineTeam({ dataDirectory, clock, random }: { readonly dataDirectory: string; readonly clock: Clock; readonly random: Random }): Promise<OpenOperations> {
  const directory = toDataDirectory(dataDirectory);
  if (!existsSync(directory.database)) throw new LonghaulError("STORE_NOT_FOUND", `There is no data in ${directory.path}. Start a team there first with \`longhaul start team.ts\`, or give --data.`);
  const ids = createIds(clock, random);
  const { redact } = createSecrets(() => undefined);
  let team = "";
  const data = openData({
    file: directory.database,
    clock,
    ids,
    observe: (change) => taskRecords(change, { team, versionOf: () => null, id: () => ids("e") }),
    redact,
    onCommit: () => undefined,
    onFenced: () => undefined,
    ownership: { purpose: "command" },
  });
  const manifest = parseManifest(await data.store.meta.get(manifestName));
  if (manifest === null) {
    await data.close();
    throw new LonghaulError("STORE_NOT_FOUND", `No team ever ran in ${directory.path}. Start one there first with \`longhaul start team.ts\`, or give --data.`);
  }
  team = manifest.team;
  const operations = createOperations({ engine: data.engine, clock, ids, manifest: () => manifest, records: data.store.records });
  return { operations, close: () => data.close() };
}
