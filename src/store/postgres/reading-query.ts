import { isLonghaulError, LonghaulError, messageOf } from "../../base/error.ts";
import { isCanceled, isPassing } from "../../db/postgres-failure.ts";
import type { PostgresDatabase } from "../../db/postgres.ts";
import { type QueryOptions, type QueryResult, tookTooLong } from "../operator-reading.ts";

/*
 * The transaction is read-only, and the protocol takes one statement: PostgreSQL itself refuses what would write. The words are looked at so that nobody ends the
 * transaction and goes on outside it, and so that the rows can be bounded.
 */
const rowsMaxDefault = 1_000;
const rowsMaxLimit = 100_000;
const boundedWords = ["SELECT", "WITH", "VALUES", "TABLE"];
const otherWords = ["EXPLAIN", "SHOW"];

/**
 * Runs one statement that only reads.
 * @throws {STORE_QUERY} for several statements, a statement that is not a reading one, or an error of PostgreSQL.
 */
export async function runReadingQuery(db: PostgresDatabase, sql: string, { rowsMax = rowsMaxDefault, timeoutMs }: QueryOptions = {}): Promise<QueryResult> {
  if (!Number.isInteger(rowsMax) || rowsMax < 1 || rowsMax > rowsMaxLimit) {
    throw new LonghaulError("OPTION_INVALID", `rowsMax is ${rowsMax}. Use a whole number from 1 to ${rowsMaxLimit}.`);
  }
  const statement = sql.replace(/[;\s]+$/, "");
  const word = /^\s*([a-z]+)/i.exec(statement)?.[1]?.toUpperCase() ?? "";
  if (statement.trim() === "") throw refusal("it is empty. Give a SELECT");
  if (![...boundedWords, ...otherWords].includes(word)) throw refusal(`it begins with ${word === "" ? JSON.stringify(statement.trim().slice(0, 20)) : word}. Only ${[...boundedWords, ...otherWords].join(", ")} are allowed`);
  const bounded = boundedWords.includes(word) ? `SELECT * FROM (\n${statement}\n) AS answer LIMIT ${rowsMax + 1}` : statement;
  try {
    const rows = await db.transaction((tx) => tx.allOnce(bounded), { readOnly: true, ...(timeoutMs === undefined ? {} : { statementTimeoutMs: timeoutMs }) });
    return { rows: rows.slice(0, rowsMax), truncated: rows.length > rowsMax, rowsMax };
  } catch (error) {
    if (isLonghaulError(error) || isPassing(error)) throw error;
    if (timeoutMs !== undefined && isCanceled(error)) throw tookTooLong(timeoutMs, error);
    throw refusal(`PostgreSQL answers: ${messageOf(error)}. See the tables with: SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = '${db.schema}'`, error);
  }
}

function refusal(reason: string, cause?: unknown): LonghaulError {
  return new LonghaulError("STORE_QUERY", `The query was refused: ${reason}.`, cause === undefined ? {} : { cause });
}
