import { isJsonObject, type Json, type JsonObject } from "../../base/json.ts";
import { invalidRequest, type ProviderError } from "./provider-error.ts";

interface SchemaPlace {
  /** As in "Invalid schema for function 'add'". */
  readonly subject: string;
  readonly param: string;
  readonly code: string;
}

/**
 * Checks what OpenAI's strict mode demands of every object in a schema: closed, and with all properties required.
 * An optional field in a schema library breaks the second rule.
 * @throws {ProviderError} 400 naming the first object at fault.
 */
export function assertStrictSchema(schema: JsonObject, place: SchemaPlace): void {
  assertNode(schema, [], place);
}

function assertNode(node: Json | undefined, context: readonly string[], place: SchemaPlace): void {
  if (!isJsonObject(node)) return;
  const { properties } = node;
  if (node["type"] === "object" || properties !== undefined) assertObject(node, context, place);
  if (isJsonObject(properties)) {
    for (const [name, property] of Object.entries(properties)) assertNode(property, [...context, "properties", name], place);
  }
  assertNode(node["items"], [...context, "items"], place);
  for (const [index, choice] of listOf(node["anyOf"]).entries()) assertNode(choice, [...context, "anyOf", String(index)], place);
  for (const key of ["$defs", "definitions"]) {
    const definitions = node[key];
    if (!isJsonObject(definitions)) continue;
    for (const [name, definition] of Object.entries(definitions)) assertNode(definition, [...context, key, name], place);
  }
}

function assertObject(node: JsonObject, context: readonly string[], place: SchemaPlace): void {
  if (node["additionalProperties"] !== false) {
    throw invalidSchema("'additionalProperties' is required to be supplied and to be false.", context, place);
  }
  const names = isJsonObject(node["properties"]) ? Object.keys(node["properties"]) : [];
  const required = new Set(listOf(node["required"]));
  const missing = names.find((name) => !required.has(name));
  if (missing === undefined) return;
  const rule = "'required' is required to be supplied and to be an array including every key in properties.";
  throw invalidSchema(`${rule} Missing '${missing}'.`, context, place);
}

function invalidSchema(rule: string, context: readonly string[], { subject, param, code }: SchemaPlace): ProviderError {
  const path = context.map((name) => `'${name}'`).join(", ");
  return invalidRequest(`Invalid schema for ${subject}: In context=(${path}), ${rule}`, { param, code });
}

function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}
