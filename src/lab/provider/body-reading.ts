import { isJsonObject, type Json, type JsonObject } from "../../base/json.ts";

const credentialHeaders: ReadonlySet<string> = new Set(["authorization", "x-api-key", "api-key", "cookie"]);

/** Headers for scripts and logs: a key that somebody used against the simulator must not end up there. */
export function visibleHeaders(headers: Headers): Readonly<Record<string, string>> {
  return Object.fromEntries([...headers].map(([name, value]) => [name, credentialHeaders.has(name) ? "[redacted]" : value]));
}

/** The objects of a list; none where it is not a list. */
export function objectsOf(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

/** The text of content that is a string or a list of parts with `text`. */
export function textOfContent(content: Json | undefined): string {
  if (typeof content === "string") return content;
  return objectsOf(content).flatMap((part) => (typeof part["text"] === "string" ? [part["text"]] : [])).join("\n");
}

/** Parsed JSON, or `fallback` where the text is none. */
export function parseJsonOr(text: string, fallback: Json): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    // Models do write broken arguments; what that means is the caller's to say.
    return fallback;
  }
}

/** Cuts text into the pieces in which a stream carries it, never inside a character. */
export function splitText(text: string): readonly string[] {
  return text.match(/[^]{1,24}/gu) ?? [];
}
