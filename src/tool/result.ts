import { cutText } from "../base/cut-text.ts";
import { type Json, jsonBytes, toJson } from "../base/json.ts";
import { type Failure, toFailure } from "../record/failure.ts";
import { type ToolResult, toolResultBytesMax } from "./tool.ts";

/** The result for a value that a tool returned: not JSON and too large are error results. */
export function checkResult(name: string, value: unknown): ToolResult {
  let json: Json;
  try {
    json = toJson(value, `The result of tool ${name}`);
  } catch (error) {
    return { ok: false, kind: "not-json", message: thrownText(error) };
  }
  const bytes = jsonBytes(json);
  return bytes > toolResultBytesMax ? tooLarge(name, `${bytes} bytes of JSON`) : { ok: true, value: json };
}

/** The result for an answer that would not fit a prompt. `size` reads "300000 bytes of JSON". */
export function tooLarge(name: string, size: string): ToolResult {
  return {
    ok: false, kind: "too-large",
    message: `Tool ${name} ran, but its result is ${size}, over the limit of ${toolResultBytesMax} bytes. Ask for a part of it, or have it stored and return a reference.`,
  };
}

/** The text of anything that was thrown, with its causes ("fetch failed: connect ECONNREFUSED"), at most 10,000 characters each; never throws itself. */
export function thrownText(thrown: unknown): string {
  try {
    const texts: string[] = [];
    for (let failure: Failure | null = toFailure(thrown); failure !== null; failure = failure.cause) {
      const text = failure.message === "" ? (failure.code ?? failure.name) : failure.message;
      if (!texts.some((earlier) => earlier.includes(text))) texts.push(text);
    }
    return texts.join(": ");
  } catch {
    // The thrown value's own getters or toString throw: nothing about it can be read.
    return "a value was thrown that has no text";
  }
}

const briefLengthMax = 500;

/** The same on one line, and short: libraries throw pages of JSON. */
export function briefText(thrown: unknown): string {
  return cutText(thrownText(thrown).replaceAll(/\s+/g, " "), briefLengthMax);
}
