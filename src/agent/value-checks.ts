import { parseDuration } from "../base/duration.ts";
import { messageOf } from "../base/error.ts";
import { formatUsd } from "../base/money.ts";
import { isJsonObject, toJson, type JsonObject } from "../base/json.ts";
import { isSchema, type Schema, toJsonSchema } from "../base/schema.ts";
import { checkOptionNames, optionNames } from "./option-names.ts";
import type { Report } from "./problem.ts";
import { isSecretReference } from "./secret.ts";

export type Fields = Readonly<Record<string, unknown>>;

const eventPattern = /^[A-Za-z0-9][\w.:-]{0,127}$/;
const namePattern = /^[a-z][a-z0-9_-]{0,63}$/;
/** A million dollars. */
const microUsdMax = 1_000_000_000_000;
const durationRange = { minMs: 1, maxMs: 3_650 * 86_400_000, text: 'Use milliseconds above 0 or a text such as "30s", "5m", "2h", "7d".' };

/** The value as an object whose fields can be checked; null (after a report) for anything else. */
export function checkFields(report: Report, field: string, value: unknown, remedy: string): Fields | null {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  report(field, value, remedy);
  return null;
}

/** The value as a list; empty (after a report) for anything else, empty when it is absent. */
export function checkList(report: Report, field: string, value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  report(field, value, "Use a list.");
  return [];
}

export function checkName(report: Report, field: string, value: unknown): void {
  if (typeof value === "string" && namePattern.test(value)) return;
  report(field, value, 'Use a lower-case letter, then lower-case letters, digits, "-" or "_", at most 64 in all.');
}

/** Reports a text that is not one, or is empty. */
export function checkText(report: Report, field: string, value: unknown): void {
  if (typeof value !== "string" || value.trim() === "") report(field, value, "Use a text that is not empty.");
}

/** A name that a trigger can hear. */
export function checkEventName(report: Report, field: string, value: unknown): void {
  if (typeof value !== "string" || !eventPattern.test(value)) report(field, value, 'Use a name such as "lead.found": letters, digits, ".", "_", ":" and "-", at most 128.');
}

export function checkBoolean(report: Report, field: string, value: unknown): void {
  if (typeof value !== "boolean") report(field, value, "Use true or false.");
}

/** Reports a value that is there and is not a function. */
export function checkFunction(report: Report, field: string, value: unknown): void {
  if (value !== undefined && typeof value !== "function") report(field, value, "Use a function.");
}

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** Of what is called at once. */
export const concurrencyRange: Range = { min: 1, max: 1_000 };

/** Reports a value that is there and is not a whole number in the range. */
export function checkInteger(report: Report, field: string, value: unknown, { min, max }: Range): void {
  if (value === undefined || (Number.isInteger(value) && (value as number) >= min && (value as number) <= max)) return;
  const zero = value === 0 || value === Number.POSITIVE_INFINITY ? " Nothing is unlimited here." : "";
  report(field, value, `Use a whole number from ${min} to ${max}.${zero}`);
}

export function checkNumber(report: Report, field: string, value: unknown, { min, max }: Range): void {
  if (value === undefined || (typeof value === "number" && value >= min && value <= max)) return;
  report(field, value, `Use a number from ${min} to ${max}.`);
}

/** The milliseconds of a duration; null when there is none or (after a report) when it is not one in the range. */
export function checkDuration(report: Report, field: string, value: unknown, range: { readonly minMs: number; readonly maxMs: number; readonly text: string } = durationRange): number | null {
  if (value === undefined) return null;
  const ms = durationMs(value, field);
  if (ms !== null && ms >= range.minMs && ms <= range.maxMs) return ms;
  report(field, value, ms === null ? durationRange.text : range.text);
  return null;
}

function durationMs(value: unknown, field: string): number | null {
  try {
    return parseDuration(value, field);
  } catch {
    // The caller reports it, with all other problems.
    return null;
  }
}

/** The amount of a sum of money; null when there is none or (after a report) when it is not one. */
export function checkMoney(report: Report, field: string, value: unknown): number | null {
  if (value === undefined) return null;
  const microUsd = isJsonObject(value) ? value["microUsd"] : null;
  if (typeof microUsd === "number" && Number.isInteger(microUsd) && microUsd > 0 && microUsd <= microUsdMax) return microUsd;
  const example = typeof value === "number" && value > 0 ? `usd(${value})` : "usd(5)";
  report(field, value, `Use an amount of dollars such as ${example}, above ${formatUsd(0)} and at most ${formatUsd(microUsdMax)}.`);
  return null;
}

export function checkUrl(report: Report, field: string, value: unknown): void {
  const url = typeof value === "string" ? URL.parse(value) : null;
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) report(field, value, "Use a full address that begins with http:// or https://.");
  // No request can be made to such an address, and the value is not repeated.
  else if (url.username + url.password !== "") report(field, `(an address of ${url.host} with a user or a password)`, "Leave them out of the address, and give them by a secret.");
}

/** Reports a value that is not a secret reference. The value itself is never shown. */
export function checkSecret(report: Report, field: string, value: unknown): void {
  if (!isSecretReference(value)) {
    report(field, `(a ${typeof value})`, 'Use secret("NAME"), so that the value stays out of code and records.');
    return;
  }
  checkText(report, `${field}.name`, value.name);
  if (value.file !== null) checkText(report, `${field}.file`, value.file);
  checkOptionNames(report, `${field}.`, value, optionNames.secret);
}

/** Reports fields that are neither texts nor secrets: headers, environment variables. */
export function checkTexts(report: Report, field: string, value: unknown): void {
  if (value === undefined) return;
  const fields = checkFields(report, field, value, "Use an object of texts and secrets.");
  for (const [name, item] of Object.entries(fields ?? {})) {
    if (typeof item !== "string") checkSecret(report, `${field}.${name}`, item);
  }
}

/** Reports a value that is there and is not JSON data. */
export function checkJsonObject(report: Report, field: string, value: unknown): void {
  if (value === undefined) return;
  try {
    if (isJsonObject(toJson(value, field))) return;
    report(field, value, "Use an object of plain data.");
  } catch (error) {
    report(field, value, `Use an object of plain data (${messageOf(error)}).`);
  }
}

/** The schema; null (after a report) when it is not one. */
export function checkSchema(report: Report, field: string, value: unknown): Schema | null {
  if (isSchema(value) && typeof (value["~standard"] as { readonly validate?: unknown } | null)?.validate === "function") return value;
  report(field, value, "Use a Standard Schema: of zod, valibot or arktype.");
  return null;
}

/** The JSON Schema that a model is shown; null (after a report) when the schema has none. */
export function checkShownSchema(report: Report, field: string, value: unknown): JsonObject | null {
  const schema = checkSchema(report, field, value);
  if (schema === null) return null;
  try {
    const shown = toJsonSchema(schema);
    if (shown === null) report(field, schema["~standard"].vendor, "This schema cannot be written as JSON Schema, which models are shown. Use zod 4, or a library with Standard JSON Schema.");
    return shown;
  } catch (error) {
    report(field, schema["~standard"].vendor, `This schema cannot be written as JSON Schema, which models are shown (${messageOf(error)}). Use texts, numbers, lists and objects.`);
    return null;
  }
}
