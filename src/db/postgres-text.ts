import { hashOf } from "../base/json.ts";

/*
 * PostgreSQL refuses U+0000 in text, and UTF-8 has no lone surrogates; JavaScript strings have both. Nothing is lost: such a string is stored as U+0001 and its JSON
 * form, in which both are written as escapes, and comes back as it was. A string that begins with U+0001 itself is stored so as well. Equal strings are stored
 * equal, so that they can be compared, but their order and length are those of the stored form.
 * JSON texts never need it, since JSON.stringify escapes both; that is why JSON is kept in columns of type text: jsonb refuses the escape of U+0000.
 */
const marker = "\u0001";

/** The text that is stored for a string. */
export function toStoredText(value: string): string {
  return value.includes("\u0000") || value.startsWith(marker) || !value.isWellFormed() ? marker + JSON.stringify(value) : value;
}

/** Rows as one parameter, for `json_to_recordset($1::json)`: as an array for each column, the driver takes longer to write them than the server to store them. */
export function toRecordset(rows: readonly Readonly<Record<string, string | number | boolean | null>>[]): string {
  return JSON.stringify(rows, (_, value: unknown) => (typeof value === "string" ? toStoredText(value) : value));
}

/** What `toStoredText` was given. Text of another hand, which only looks like ours, comes back as it stands. */
export function fromStoredText(stored: string): string {
  if (!stored.startsWith(`${marker}"`)) return stored;
  try {
    return JSON.parse(stored.slice(1)) as string;
  } catch {
    return stored; // It is not ours.
  }
}

/** Characters of a text that stands in an index. PostgreSQL holds 2,704 bytes there, and refuses what is longer. */
const indexedLengthMax = 512;

/** What stands in an index for a text of any length: itself, or its beginning and its hash. */
export function toIndexedText(value: string): string {
  return value.length <= indexedLengthMax ? value : `${value.slice(0, indexedLengthMax - 40).toWellFormed()}… ${hashOf(value)}`;
}
