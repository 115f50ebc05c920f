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

process.once("message", (order: ReadingOrder) => {
  // Nobody is told when the process that asked has ended.
  if (process.connected) process.send?.(read(order), () => process.connected && process.disconnect());
});
