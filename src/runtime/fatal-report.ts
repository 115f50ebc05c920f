import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isJsonObject, type Json } from "../base/json.ts";

/** What Node writes when this process runs out of memory: nothing of ours can. Workers of a cluster may share a data directory: each has a name of its own. */
const reportName = (worker: string | null): string => (worker === null ? "fatal-report.json" : `fatal-report.${encodeURIComponent(worker)}.json`);
const ofWorker = /^fatal-report\.(.+)\.json$/;

/** Has Node leave a report in the data directory when the heap is exhausted. It holds no environment. `worker`: the name of this process on a cluster. */
export function leaveFatalReports(directory: string, worker: string | null): void {
  process.report.reportOnFatalError = true;
  process.report.excludeEnv = true;
  process.report.directory = directory;
  process.report.filename = reportName(worker);
}

/** True when the process that owned the directory before died of exhausted memory. */
export function findOutOfMemory(directory: string): boolean {
  return isOutOfMemory(directory, reportName(null));
}

/** The workers of a cluster that died of exhausted memory, of those that had this directory. */
export function listOutOfMemory(directory: string): readonly string[] {
  return readdirSync(directory).flatMap((name) => {
    const worker = ofWorker.exec(name)?.[1];
    return worker !== undefined && isOutOfMemory(directory, name) ? [decodeURIComponent(worker)] : [];
  });
}

function isOutOfMemory(directory: string, name: string): boolean {
  try {
    const report = JSON.parse(readFileSync(join(directory, name), "utf8")) as Json;
    const header = isJsonObject(report) ? report["header"] : null;
    return isJsonObject(header ?? null) && (header as { readonly trigger?: Json }).trigger === "OOMError";
  } catch {
    // There is none, or the process was killed while it was written: then it counts as an ordinary crash.
    return false;
  }
}

/** It was counted. */
export function removeFatalReport(directory: string, worker: string | null): void {
  rmSync(join(directory, reportName(worker)), { force: true });
}
