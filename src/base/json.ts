import { hash } from "node:crypto";
import { kindOfValue } from "./describe-value.ts";
import { LonghaulError, messageOf } from "./error.ts";
import type { Json, JsonObject } from "./json-type.ts";

export type { Json, JsonObject } from "./json-type.ts";

/**
 * Turns a value into plain JSON data, as `JSON.stringify` would, but refuses what would be lost: functions, symbols, bigints, cycles, numbers that are
 * not finite, bytes, and objects that would come out empty, such as a Map, an Error or a promise that was not awaited. `undefined` becomes null.
 * @throws {JSON_INVALID} naming `what` and the path of the value.
 */
export function toJson(value: unknown, what: string): Json {
  return JSON.parse(toJsonText(value, what)) as Json;
}

/** The text of `toJson`. @throws {JSON_INVALID} */
export function toJsonText(value: unknown, what: string): string {
  if (value === undefined) return "null";
  // What holds nothing else needs no walk.
  if (value === null || typeof value === "string" || typeof value === "boolean" || Number.isFinite(value)) return JSON.stringify(value);
  const path: string[] = [];
  try {
    const text = JSON.stringify(value, function check(this: unknown, key: string, item: unknown) {
      // What toJSON made of an object is looked at as it was before: a Buffer makes an object of itself.
      const given = ArrayBuffer.isView((this as Record<string, unknown>)[key]) ? (this as Record<string, unknown>)[key] : item;
      if (isLost(given)) path.push(`${key === "" ? "it" : key} is ${kindOfValue(given)}`);
      return typeof item === "bigint" ? null : item;
    });
    if (path.length === 0 && !(text.length > 2 * jsonDepthMax && isNestedDeeper(text, jsonDepthMax))) return text;
    if (path.length === 0) path.push(`nested deeper than ${jsonDepthMax} levels`);
  } catch (error) {
    throw new LonghaulError("JSON_INVALID", `${what} cannot be stored: ${messageOf(error)}. Return plain data.`, { cause: error });
  }
  throw new LonghaulError("JSON_INVALID", `${what} cannot be stored as JSON (${path.join(", ")}). Return plain data.`);
}

/** True for what JSON leaves out or makes something else of: bytes, for one, become an object of numbers. */
function isLost(item: unknown): boolean {
  if (typeof item === "number") return !Number.isFinite(item);
  if (typeof item !== "object" || item === null) return typeof item === "function" || typeof item === "symbol" || typeof item === "bigint";
  return ArrayBuffer.isView(item) || comesOutEmpty(item);
}

/** True for an object of a class, built in or not, of which JSON sees nothing. */
function comesOutEmpty(item: object): boolean {
  if (Array.isArray(item) || Object.keys(item).length > 0) return false;
  const prototype: unknown = Object.getPrototypeOf(item);
  // A plain object's prototype is the end of its chain, in whichever realm it was made.
  return prototype !== null && Object.getPrototypeOf(prototype) !== null;
}

/** Levels of nesting that values may have: what is deeper overflows the stack of whoever walks it, sooner or later. */
export const jsonDepthMax = 500;

/** True when the text opens more than `max` brackets within one another, those within strings not counted. */
export function isNestedDeeper(text: string, max: number): boolean {
  let depth = 0;
  let isString = false;
  for (let index = 0; index < text.length; index++) {
    const sign = text[index];
    if (isString && sign === "\\") index++;
    else if (sign === '"') isString = !isString;
    else if (isString) continue;
    else if (sign === "{" || sign === "[") depth++;
    else if (sign === "}" || sign === "]") depth--;
    if (depth > max) return true;
  }
  return false;
}

/** JSON text with sorted keys: equal data gives equal text. */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalJson(item)).join(",")}]`;
  if (isJsonObject(value)) {
    const fields = Object.keys(value).toSorted().map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key] ?? null)}`);
    return `{${fields.join(",")}}`;
  }
  return JSON.stringify(value);
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Size of the value as UTF-8 JSON, in bytes. */
export function jsonBytes(value: Json): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/** 32 hexadecimal digits (128 bits of SHA-256) that stand for the text. */
export function hashOf(text: string): string {
  return hash("sha256", text, "hex").slice(0, 32);
}
