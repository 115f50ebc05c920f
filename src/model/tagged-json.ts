import { LonghaulError } from "../base/error.ts";
import { isJsonObject, type Json } from "../base/json.ts";
import { type Failure, fromFailure, parseFailure, toFailure } from "../record/failure.ts";

const tag = "$longhaul";
/** Deeper data is a cycle or a mistake. */
const depthMax = 200;

/**
 * Data that JSON alone would lose, as JSON: dates, bytes, URLs, errors, bigints, numbers that are not finite, and `undefined` in lists.
 * Fields that are undefined are left out, and read as undefined again.
 * @throws {JSON_INVALID} for functions, symbols and cycles.
 */
export function toTaggedJson(value: unknown, depth = 0): Json {
  if (depth > depthMax) throw new LonghaulError("JSON_INVALID", `A model's answer is nested deeper than ${depthMax} levels and cannot be stored. Return plain data.`);
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0) ? value : { [tag]: "number", value: Object.is(value, -0) ? "-0" : String(value) };
  if (value === undefined) return { [tag]: "undefined" };
  if (typeof value === "bigint") return { [tag]: "bigint", value: String(value) };
  if (typeof value !== "object") throw new LonghaulError("JSON_INVALID", `A model's answer holds a ${typeof value}, which cannot be stored. Return plain data.`);
  if (Array.isArray(value)) return value.map((item) => toTaggedJson(item, depth + 1));
  return toSpecial(value) ?? toPlainObject(value, depth);
}

/** What `toTaggedJson` was given. */
export function fromTaggedJson(stored: Json): unknown {
  if (Array.isArray(stored)) return stored.map((item: Json) => fromTaggedJson(item));
  if (!isJsonObject(stored)) return stored;
  const kind = stored[tag];
  if (kind === undefined) return mapFields(stored);
  const value = stored["value"] ?? null;
  switch (kind) {
    case "undefined":
      return undefined;
    case "number":
      return Number(value);
    case "bigint":
      return BigInt(value as string);
    case "date":
      return new Date(typeof value === "number" ? value : Number.NaN);
    case "bytes":
      return new Uint8Array(Buffer.from(value as string, "base64"));
    case "url":
      return new URL(value as string);
    case "error":
      return fromFailure(parseFailure(value));
    case "object":
      return mapFields(value);
    default:
      throw new LonghaulError("JSON_INVALID", `A stored model answer holds the unknown kind ${JSON.stringify(kind)}. It was written by a newer version: upgrade longhaul.`);
  }
}

function toSpecial(value: object): Json | null {
  if (value instanceof Date) return { [tag]: "date", value: Number.isNaN(value.getTime()) ? null : value.getTime() };
  if (value instanceof Uint8Array) return { [tag]: "bytes", value: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") };
  if (value instanceof URL) return { [tag]: "url", value: value.href };
  if (value instanceof Error) return { [tag]: "error", value: failureToJson(toFailure(value)) };
  return null;
}

function failureToJson(failure: Failure): Json {
  return { ...failure, cause: failure.cause === null ? null : failureToJson(failure.cause), retry: typeof failure.retry === "string" ? failure.retry : { afterMs: failure.retry.afterMs } };
}

/** An object that has our tag as a field of its own is wrapped, so that it is not taken for one of ours. */
function toPlainObject(value: object, depth: number): Json {
  const fields: Record<string, Json> = {};
  for (const [name, item] of Object.entries(value)) if (item !== undefined) defineField(fields, name, toTaggedJson(item, depth + 1));
  return Object.hasOwn(fields, tag) ? { [tag]: "object", value: fields } : fields;
}

function mapFields(stored: Json): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(isJsonObject(stored) ? stored : {})) defineField(fields, name, fromTaggedJson(item));
  return fields;
}

/** Assignment would take "__proto__" for the prototype. */
function defineField<T>(fields: Record<string, T>, name: string, value: T): void {
  if (name === "__proto__") Object.defineProperty(fields, name, { value, enumerable: true, configurable: true, writable: true });
  else fields[name] = value;
}
