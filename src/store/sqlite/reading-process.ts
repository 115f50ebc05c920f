import { Worker } from "node:worker_threads";
import { isLonghaulError, messageOf } from "../../base/error.ts";
import { SqliteDatabase } from "../../db/sqlite.ts";
import { runReadingQuery } from "./reading-query.ts";
import type { ReadingAnswer, ReadingOrder } from "./timed-query.ts";

function read({ path, sql, rowsMax }: ReadingOrder): ReadingAnswer {
  let db: SqliteDatabase | null = null;
  try {
    db = SqliteDatabase.openReadOnly(path);
    return { type: "done", result: runReadingQuery(db, sql, rowsMax === undefined ? {} : { rowsMax }) };
  } catch (error) {
    return { type: "failed", message: messageOf(error), code: isLonghaulError(error) ? error.code : "STORE_QUERY" };
  } finally {
    db?.close();
  }
}

/** Whoever asked ends this process in time. One that was killed does not: what it asked for would go on, and keep the log of the team from being emptied. */
const graceMs = 1_000;

process.once("message", (order: ReadingOrder) => {
  new Worker(new URL(`./reading-end.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url), { workerData: order.timeoutMs + graceMs }).unref();
  // Nobody is told when the process that asked has ended.
  if (process.connected) process.send?.(read(order), () => process.connected && process.disconnect());
});
