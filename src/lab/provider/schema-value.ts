import { isJsonObject, type Json, type JsonObject } from "../../base/json.ts";
import { integerBetween, type Random } from "../../base/random.ts";

/** Deeper schemas, recursive ones above all, end in null. */
const depthMax = 8;

/** Invents a value that satisfies a JSON Schema, marked as simulated where it is text. The same `random` gives the same value. */
export function synthesizeValue(schema: JsonObject, random: Random): Json {
  return synthesize(schema, { root: schema, random, name: "value", depth: 0 });
}

interface Place {
  readonly root: JsonObject;
  readonly random: Random;
  /** The property that the value is for. */
  readonly name: string;
  readonly depth: number;
}

function synthesize(schema: Json | undefined, place: Place): Json {
  if (!isJsonObject(schema) || place.depth > depthMax) return null;
  if (typeof schema["$ref"] === "string") return synthesize(resolve(schema["$ref"], place.root), deeper(place));
  if (schema["const"] !== undefined) return schema["const"];
  if (Array.isArray(schema["enum"])) return pick(schema["enum"], place.random);
  const choices = schema["anyOf"] ?? schema["oneOf"];
  if (Array.isArray(choices)) return synthesize(firstUsable(choices), deeper(place));
  if (Array.isArray(schema["allOf"])) return synthesize(merge(schema, schema["allOf"]), deeper(place));
  return synthesizeType(schema, place);
}

function synthesizeType(schema: JsonObject, place: Place): Json {
  switch (typeOf(schema)) {
    case "object":
      return synthesizeObject(schema, place);
    case "array":
      return synthesizeArray(schema, place);
    case "string":
      return synthesizeString(schema, place.name);
    case "integer":
    case "number":
      return synthesizeNumber(schema, place.random);
    case "boolean":
      return place.random.next() < 0.5;
    default:
      return null;
  }
}

/** Required properties only: what is optional is left out, as small models do. */
function synthesizeObject(schema: JsonObject, place: Place): JsonObject {
  const properties = isJsonObject(schema["properties"]) ? schema["properties"] : {};
  const required = Array.isArray(schema["required"]) ? schema["required"].filter((name: Json) => typeof name === "string") : [];
  return Object.fromEntries(required.map((name) => [name, synthesize(properties[name], { ...deeper(place), name })]));
}

function synthesizeArray(schema: JsonObject, place: Place): Json {
  const fixed = schema["prefixItems"];
  if (Array.isArray(fixed)) return fixed.map((item: Json) => synthesize(item, deeper(place)));
  const length = Math.max(numberOf(schema["minItems"]) ?? 1, 0);
  const items = schema["items"];
  if (!isJsonObject(items) && length <= 1) return [];
  return Array.from({ length }, () => synthesize(items, deeper(place)));
}

const stringByFormat: Readonly<Record<string, string>> = {
  uri: "https://simulated.example/",
  url: "https://simulated.example/",
  email: "simulated@example.com",
  date: "2026-01-15",
  time: "10:23:45Z",
  "date-time": "2026-01-15T10:23:45Z",
  duration: "PT1H",
  uuid: "00000000-0000-4000-8000-000000000000",
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
  hostname: "simulated.example",
};

function synthesizeString(schema: JsonObject, name: string): string {
  const formatted = typeof schema["format"] === "string" ? stringByFormat[schema["format"]] : undefined;
  const text = formatted ?? `simulated ${name}`;
  const min = numberOf(schema["minLength"]) ?? 0;
  const max = numberOf(schema["maxLength"]) ?? Number.POSITIVE_INFINITY;
  return text.padEnd(min, ".").slice(0, max);
}

/** 1 where the schema sets no bounds: it lies within most of those that are stated elsewhere, as in a description. */
function synthesizeNumber(schema: JsonObject, random: Random): number {
  const low = numberOf(schema["minimum"]) ?? above(numberOf(schema["exclusiveMinimum"]));
  const high = numberOf(schema["maximum"]) ?? below(numberOf(schema["exclusiveMaximum"]));
  const min = low ?? Math.min(1, high ?? 1);
  const max = Math.min(high ?? min, min + 100);
  const step = numberOf(schema["multipleOf"]);
  if (step !== undefined && step > 0) return Math.ceil(min / step) * step;
  // A range without a whole number in it, such as 0.2 to 0.8, is met by its middle.
  const first = Math.ceil(min);
  if (first <= max) return integerBetween(random, first, Math.floor(max));
  return high === undefined ? first : (min + max) / 2;
}

function above(limit: number | undefined): number | undefined {
  return limit === undefined ? undefined : limit + 1e-6;
}

function below(limit: number | undefined): number | undefined {
  return limit === undefined ? undefined : limit - 1e-6;
}

function typeOf(schema: JsonObject): string | undefined {
  const { type } = schema;
  if (typeof type === "string") return type;
  if (Array.isArray(type)) return type.find((name: Json): name is string => typeof name === "string" && name !== "null");
  if (schema["properties"] !== undefined) return "object";
  return schema["items"] === undefined ? undefined : "array";
}

function resolve(reference: string, root: JsonObject): Json | undefined {
  if (!reference.startsWith("#")) return undefined;
  let node: Json | undefined = root;
  for (const segment of reference.split("/").slice(1)) {
    node = isJsonObject(node) ? node[segment.replaceAll("~1", "/").replaceAll("~0", "~")] : undefined;
  }
  return node;
}

/** Prefers a value to the absence of one: `string | null` gives text. */
function firstUsable(choices: readonly Json[]): Json | undefined {
  return choices.find((choice) => isJsonObject(choice) && choice["type"] !== "null") ?? choices[0];
}

function merge(schema: JsonObject, parts: readonly Json[]): JsonObject {
  const { allOf: _, ...own } = schema;
  const all = [own, ...parts.filter(isJsonObject)];
  return {
    ...Object.assign({}, ...all),
    properties: Object.assign({}, ...all.map((part) => part["properties"])),
    required: all.flatMap((part) => (Array.isArray(part["required"]) ? part["required"] : [])),
  };
}

function pick(values: readonly Json[], random: Random): Json {
  return values[Math.floor(random.next() * values.length)] ?? null;
}

function deeper(place: Place): Place {
  return { ...place, depth: place.depth + 1 };
}

function numberOf(value: Json | undefined): number | undefined {
  return typeof value === "number" ? value : undefined;
}
