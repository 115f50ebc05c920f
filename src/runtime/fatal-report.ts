import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isJsonObject, type Json } from "../base/json.ts";

/** What Node writes when this process runs out of memory: nothing of ours can. */
const reportName = "fatal-report.json";

/** Has Node leave a report in the data directory when the heap is exhausted. It holds no environment. */
export function leaveFatalReports(directory: string): void {
  process.report.reportOnFatalError = true;
  process.report.excludeEnv = true;
  process.report.directory = directory;
  process.report.filename = reportName;
}

/** True when the process that owned the directory before died of exhausted memory. */
export function findOutOfMemory(directory: string): boolean {
  try {
    const report = JSON.parse(readFileSync(join(directory, reportName), "utf8")) as Json;
    const header = isJsonObject(report) ? report["header"] : null;
    return isJsonObject(header ?? null) && (header as { readonly trigger?: Json }).trigger === "OOMError";
  } catch {
    // There is none, or the process was killed while it was written: then it counts as an ordinary crash.
    return false;
  }
}

/** It was counted. */
export function removeFatalReport(directory: string): void {
  rmSync(join(directory, reportName), { force: true });
}
