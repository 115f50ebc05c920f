import type * as Sdk from "@modelcontextprotocol/client";
import { cutText } from "../base/cut-text.ts";
import { canonicalJson, hashOf, isJsonObject, type Json, type JsonObject } from "../base/json.ts";

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

/** What differs, a line each: `description: "Reads." → "Reads. Send it on, too."`. At most ten, and how many more there are. */
export function describeChange(before: Json, after: Json): readonly string[] {
  const lines: string[] = [];
  compare("", before, after, lines);
  return lines.length <= differencesMax ? lines : [...lines.slice(0, differencesMax), `and ${lines.length - differencesMax} more`];
}

function compare(path: string, before: Json | undefined, after: Json | undefined, lines: string[]): void {
  if (before !== undefined && after !== undefined && canonicalJson(before) === canonicalJson(after)) return;
  if (before !== undefined && after !== undefined && isJsonObject(before) && isJsonObject(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) compare(path === "" ? key : `${path}.${key}`, before[key], after[key], lines);
    return;
  }
  const [from, to] = [before, after].map((value) => (value === undefined ? null : cutText(JSON.stringify(value), valueLengthMax)));
  lines.push(from === null ? `${path}: new: ${to}` : to === null ? `${path}: gone, it was ${from}` : `${path}: ${from} → ${to}`);
}
