import type { CallToolResult, ContentBlock } from "@modelcontextprotocol/client";
import { type Json, type JsonObject } from "../base/json.ts";
import { checkResult, tooLarge } from "./result.ts";
import { type ToolResult, toolResultBytesMax } from "./tool.ts";

/** What an MCP server answered, as a result: structured content if there is any, else its text; other content only by kind and size. */
export function toToolResult(name: string, answer: CallToolResult): ToolResult {
  const content = reduceContent(answer.content ?? []);
  if (answer.isError === true) return failed(name, content);
  return checkResult(name, answer.structuredContent ?? content);
}

function failed(name: string, content: Json): ToolResult {
  const text = typeof content === "string" ? content : JSON.stringify(content);
  if (Buffer.byteLength(text) > toolResultBytesMax) return tooLarge(name, `an error text of ${Buffer.byteLength(text)} bytes`);
  return { ok: false, kind: "failed", message: `Tool ${name} failed: ${content === null ? "the server gave no reason" : text}` };
}

/** Text alone stays text, nothing is null, and anything else is `{ text, other }`. */
function reduceContent(blocks: readonly ContentBlock[]): Json {
  const texts: string[] = [];
  const other: JsonObject[] = [];
  for (const block of blocks) {
    const text = textOf(block);
    if (text !== null) texts.push(text);
    else other.push(describe(block));
  }
  const text = texts.length === 0 ? null : texts.join("\n");
  return other.length === 0 ? text : { text, other };
}

function textOf(block: ContentBlock): string | null {
  if (block.type === "text") return block.text;
  return block.type === "resource" && "text" in block.resource ? block.resource.text : null;
}

function describe(block: ContentBlock): JsonObject {
  switch (block.type) {
    case "image":
    case "audio":
      return { type: block.type, mimeType: block.mimeType, bytes: base64Bytes(block.data) };
    case "resource":
      return { type: "resource", uri: block.resource.uri, mimeType: block.resource.mimeType ?? null, bytes: "blob" in block.resource ? base64Bytes(block.resource.blob) : 0 };
    case "resource_link":
      return { type: "resource_link", uri: block.uri, name: block.name, mimeType: block.mimeType ?? null };
    default:
      return { type: block.type };
  }
}

function base64Bytes(data: string): number {
  return Buffer.byteLength(data, "base64");
}
