import { isJsonObject, type JsonObject } from "../../base/json.ts";
import { invalidRequest, ProviderError } from "./provider-error.ts";
import type { ProviderFamily } from "./wire-format.ts";

/** Anthropic's own limit, and a bound on what one request may cost us. */
const requestBytesMax = 32 * 1024 * 1024;

/** Reads a body that must be one JSON object. @throws {ProviderError} 400 or 413 in the provider's words. */
export async function readJsonBody(request: Request, family: ProviderFamily): Promise<{ readonly text: string; readonly body: JsonObject }> {
  const text = await readText(request);
  const body = parse(text, family);
  if (isJsonObject(body)) return { text, body };
  throw invalidRequest(family.name === "anthropic" ? "Input should be a valid dictionary" : "Invalid body: expected a JSON object.");
}

async function readText(request: Request): Promise<string> {
  if (request.body === null) return "";
  const decoder = new TextDecoder();
  let bytes = 0;
  let text = "";
  for await (const chunk of request.body) {
    bytes += chunk.byteLength;
    // What is over the limit is read and dropped: a client that is still sending would not hear the refusal.
    if (bytes <= requestBytesMax) text += decoder.decode(chunk, { stream: true });
  }
  if (bytes > requestBytesMax) throw new ProviderError(413, "Request exceeds the maximum size", { type: "request_too_large" });
  return text + decoder.decode();
}

function parse(text: string, family: ProviderFamily): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own words differ between platforms; the provider's do not.
    if (family.name === "anthropic") throw invalidRequest("The request body is not valid JSON");
    throw invalidRequest(
      "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload.)",
    );
  }
}
