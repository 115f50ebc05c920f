import { isLonghaulError, LonghaulError, messageOf } from "../../base/error.ts";
import type { SqliteDatabase } from "../../db/sqlite.ts";
import type { QueryResult } from "../operator-reading.ts";

/*
 * The connection is read-only, but that alone is not enough: on such a connection VACUUM INTO still writes a file, ATTACH opens others, and
 * of several statements only the first would run, the others being dropped without a word. So the text is looked at first.
 */
const rowsMaxDefault = 1_000;
const rowsMaxLimit = 100_000;
const readingWords = ["SELECT", "WITH", "VALUES", "EXPLAIN", "PRAGMA"];
const readingPragmas = [
  "application_id", "auto_vacuum", "collation_list", "compile_options", "database_list", "encoding", "foreign_key_list", "freelist_count", "function_list",
  "index_info", "index_list", "index_xinfo", "integrity_check", "journal_mode", "page_count", "page_size", "pragma_list", "quick_check", "schema_version",
  "table_info", "table_list", "table_xinfo", "user_version",
];
/** Those whose argument names a thing to look at; for any other, an argument would be a value to set. */
const pragmasWithArgument = ["foreign_key_list", "index_info", "index_list", "index_xinfo", "integrity_check", "quick_check", "table_info", "table_list", "table_xinfo"];

/** Literals, quoted names and comments, so that what stands in them is not taken for SQL. */
const opaque = /'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/g;

/**
 * Runs one statement that only reads.
 * @throws {STORE_QUERY} for several statements, a statement that is not a reading one, or an error of SQLite.
 */
export function runReadingQuery(db: SqliteDatabase, sql: string, { rowsMax = rowsMaxDefault }: { readonly rowsMax?: number } = {}): QueryResult {
  if (!Number.isInteger(rowsMax) || rowsMax < 1 || rowsMax > rowsMaxLimit) {
    throw new LonghaulError("OPTION_INVALID", `rowsMax is ${rowsMax}. Use a whole number from 1 to ${rowsMaxLimit}.`);
  }
  const { statement, word } = parseReadingStatement(sql);
  try {
    const rows = word === "EXPLAIN" || word === "PRAGMA" ? db.allOnce(statement) : db.allOnce(`SELECT * FROM (\n${statement}\n) LIMIT ${rowsMax + 1}`);
    return { rows: rows.slice(0, rowsMax), truncated: rows.length > rowsMax, rowsMax };
  } catch (error) {
    if (isLonghaulError(error)) throw error;
    throw refusal(`SQLite answers: ${messageOf(error)}. See the tables with: SELECT name, sql FROM sqlite_schema`, error);
  }
}

function parseReadingStatement(sql: string): { readonly statement: string; readonly word: string } {
  // Blanked to the same length, so that places in one text are places in the other.
  const visible = sql.replace(opaque, (text) => (text.startsWith("--") || text.startsWith("/*") ? " " : "_").repeat(text.length));
  const end = visible.search(/[;\s]*$/);
  const plain = visible.slice(0, end);
  const word = /^\s*([a-z]+)/i.exec(plain)?.[1]?.toUpperCase() ?? "";
  if (plain.trim() === "") throw refusal("it is empty. Give a SELECT");
  if (plain.includes(";")) throw refusal("it has more than one statement. Give them one at a time");
  if (!readingWords.includes(word)) throw refusal(`it begins with ${word === "" ? JSON.stringify(plain.trim().slice(0, 20)) : word}. Only ${readingWords.join(", ")} are allowed`);
  if (word === "PRAGMA") assertReadingPragma(plain);
  return { statement: sql.slice(0, end), word };
}

function assertReadingPragma(plain: string): void {
  const match = /^\s*PRAGMA\s+(?:\w+\s*\.\s*)?(\w+)\s*(\S?)/i.exec(plain);
  const name = match?.[1]?.toLowerCase() ?? "";
  if (!readingPragmas.includes(name)) throw refusal(`PRAGMA ${name} is not one that only reads. Allowed are ${readingPragmas.join(", ")}`);
  if (match?.[2] !== "" && !(match?.[2] === "(" && pragmasWithArgument.includes(name))) throw refusal(`PRAGMA ${name} with a value would set it. Ask without one`);
}

function refusal(reason: string, cause?: unknown): LonghaulError {
  return new LonghaulError("STORE_QUERY", `The query was refused: ${reason}.`, cause === undefined ? {} : { cause });
}
