import type { StandardSchemaV1 } from "@standard-schema/spec";
import { isJsonObject, type Json, type JsonObject, toJson } from "./json.ts";

/** Any Standard Schema: zod, valibot, arktype. */
export type Schema<Input = unknown, Output = Input> = StandardSchemaV1<Input, Output>;
export type InputOf<S extends Schema> = StandardSchemaV1.InferInput<S>;
export type OutputOf<S extends Schema> = StandardSchemaV1.InferOutput<S>;

export type Validation<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly issues: readonly string[] };

/** Validates; issues read "field.path: what is wrong". */
export async function validate<T>(schema: Schema<unknown, T>, value: unknown): Promise<Validation<T>> {
  const result = await schema["~standard"].validate(value);
  if (result.issues === undefined) return { ok: true, value: result.value };
  return { ok: false, issues: result.issues.map(describeIssue) };
}

/** The JSON Schema of a schema, for models; null when its library offers none. */
export function toJsonSchema(schema: Schema): JsonObject | null {
  const standard: unknown = schema["~standard"];
  const converter = (standard as { readonly jsonSchema?: { readonly input?: (options: { target: string }) => unknown } }).jsonSchema;
  if (typeof converter?.input !== "function") return null;
  const converted: Json = toJson(converter.input({ target: "draft-07" }), "A JSON Schema");
  return isJsonObject(converted) ? converted : null;
}

export function isSchema(value: unknown): value is Schema {
  return (typeof value === "object" || typeof value === "function") && value !== null && "~standard" in value;
}

/** Takes every value as it is. */
export const anything: Schema = {
  "~standard": { version: 1, vendor: "longhaul", validate: (value: unknown) => ({ value }), jsonSchema: { input: () => ({}) } } as Schema["~standard"],
};

function describeIssue(issue: StandardSchemaV1.Issue): string {
  const path = (issue.path ?? []).map((part) => String(typeof part === "object" ? part.key : part)).join(".");
  return path === "" ? issue.message : `${path}: ${issue.message}`;
}
