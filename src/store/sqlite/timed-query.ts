import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../base/clock.ts";
import { withDeadline } from "../../base/deadline.ts";
import type { ErrorCode } from "../../base/error-code.ts";
import { LonghaulError } from "../../base/error.ts";
import { type QueryResult, tookTooLong } from "../operator-reading.ts";

/** What the process is asked, and what it answers. */
export interface ReadingOrder {
  readonly path: string;
  readonly sql: string;
  readonly rowsMax?: number;
  readonly timeoutMs: number;
}
export type ReadingAnswer = { readonly type: "done"; readonly result: QueryResult } | { readonly type: "failed"; readonly message: string; readonly code: ErrorCode };

/** From source the process runs source. */
const isSource = import.meta.url.endsWith(".ts");

/** Runs one reading statement in a process of its own: SQLite comes back to its caller when it is done, and not before, so that it can only be ended from outside. @throws {STORE_QUERY} {OPTION_INVALID} */
export async function runTimedQuery(order: ReadingOrder, clock: Clock): Promise<QueryResult> {
  const { timeoutMs } = order;
  const child = fork(fileURLToPath(new URL(`./reading-process.${isSource ? "ts" : "js"}`, import.meta.url)), { env: {}, execArgv: isSource ? ["--conditions=longhaul-source"] : [], stdio: ["ignore", "ignore", "inherit", "ipc"], serialization: "advanced" });
  try {
    return await withDeadline({ clock, timeoutMs, onTimeout: () => tookTooLong(timeoutMs) }, () => new Promise<QueryResult>((resolve, reject) => {
      child.on("message", (answer: ReadingAnswer) => (answer.type === "done" ? resolve(answer.result) : reject(new LonghaulError(answer.code, answer.message))));
      child.on("error", reject);
      // After its answer this says nothing more.
      child.on("close", (code, killedBy) => reject(new LonghaulError("STORE_QUERY", `The query was not answered: its process ended with ${killedBy ?? code}. Ask for less.`)));
      child.send(order);
    }));
  } finally {
    child.kill("SIGKILL");
  }
}
