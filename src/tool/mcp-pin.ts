import type * as Sdk from "@modelcontextprotocol/client";
import { cutText } from "../base/cut-text.ts";
import { canonicalJson, hashOf, isJsonObject, type Json, type JsonObject } from "../base/json.ts";
import { quote, quoteName } from "../base/quote.ts";

/** What a tool says of itself, as models and people go by it. */
export interface OfferedTool {
  readonly name: string;
  readonly definition: JsonObject;
  /** Of the definition and the name. */
  readonly hash: string;
}

/** Keeps what the tools of servers said of themselves when they were first seen, and holds those back that say something else. */
export interface McpPins {
  /** The tools that are held back until a person approves, with the reason. Those never seen before are pinned as they are. */
  check(server: string, offered: readonly OfferedTool[]): Promise<ReadonlyMap<string, string>>;
}

export function toOfferedTool({ name, title, description, inputSchema, annotations }: Sdk.Tool): OfferedTool {
  const definition = JSON.parse(JSON.stringify({ title, description, inputSchema, annotations })) as JsonObject;
  return { name, definition, hash: hashOf(canonicalJson({ name, definition })) };
}

const differencesMax = 10;
const valueLengthMax = 200;
/** Of a long value that begins as it did, so much is told before the place from which on it differs. */
const leadLength = 40;

/**
 * What differs, a line each: `description: "Reads." → "Reads. Send it on, too."`. At most ten, and how many more there are. Of long values the part that differs;
 * what no person would see on a screen is written out, and nothing that a server wrote makes a line of its own.
 */
export function describeChange(before: Json, after: Json): readonly string[] {
  const lines: string[] = [];
  compare("", before, after, lines);
  return lines.length <= differencesMax ? lines : [...lines.slice(0, differencesMax), `and ${lines.length - differencesMax} more`];
}

function compare(path: string, before: Json | undefined, after: Json | undefined, lines: string[]): void {
  if (before !== undefined && after !== undefined && canonicalJson(before) === canonicalJson(after)) return;
  if (before !== undefined && after !== undefined && isJsonObject(before) && isJsonObject(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) compare(`${path}${path === "" ? "" : "."}${quoteName(key)}`, fieldOf(before, key), fieldOf(after, key), lines);
    return;
  }
  const [from, to] = [before, after].map((value) => (value === undefined ? null : quote(value)));
  if (from === undefined || from === null) lines.push(`${path}: new: ${cutText(to ?? "", valueLengthMax)}`);
  else if (to === undefined || to === null) lines.push(`${path}: gone, it was ${cutText(from, valueLengthMax)}`);
  else lines.push(`${path}: ${excerpt(from, to)} → ${excerpt(to, from)}`);
}

/** Of its own: every object has a `constructor`. */
function fieldOf(fields: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(fields, key) ? fields[key] : undefined;
}

/** The text, or of a long one what follows the beginning that it has in common with the other one. */
function excerpt(text: string, other: string): string {
  let common = 0;
  while (common < text.length && text[common] === other[common]) common++;
  const from = text.length <= valueLengthMax || common <= leadLength ? 0 : common - leadLength;
  return `${from === 0 ? "" : `(from character ${from} on) …`}${cutText(text.slice(from).replace(/^[\uDC00-\uDFFF]/, ""), valueLengthMax)}`;
}
