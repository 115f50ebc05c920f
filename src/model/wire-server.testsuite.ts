import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import type { JsonObject } from "../base/json.ts";

export interface ReceivedRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: JsonObject;
}

export interface WireServer {
  readonly url: string;
  readonly requests: readonly ReceivedRequest[];
}

/** A real HTTP server on loopback that answers every request the same way; closed when the test ends. */
export async function startWireServer(answer: (response: ServerResponse, request: ReceivedRequest) => void): Promise<WireServer> {
  const requests: ReceivedRequest[] = [];
  const server: Server = createServer((incoming, response) => {
    let text = "";
    incoming.on("data", (chunk: Buffer) => (text += chunk.toString()));
    incoming.on("end", () => {
      const request = { path: incoming.url ?? "", headers: incoming.headers, body: JSON.parse(text === "" ? "{}" : text) as JsonObject };
      requests.push(request);
      answer(response, request);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    return new Promise((resolve) => {
      server.close(() => resolve());
    });
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, requests };
}

export function sendJson(response: ServerResponse, status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

/** Server-sent events, left open: the caller ends or destroys the response. */
export function sendEvents(response: ServerResponse, events: readonly JsonObject[]): void {
  if (!response.headersSent) response.writeHead(200, { "content-type": "text/event-stream" });
  for (const event of events) response.write(`${typeof event["type"] === "string" ? `event: ${event["type"]}\n` : ""}data: ${JSON.stringify(event)}\n\n`);
}

/** The beginning of an answer on Anthropic's wire, with one piece of text. */
export const anthropicBeginning: readonly JsonObject[] = [
  { type: "message_start", message: { id: "msg_1", type: "message", role: "assistant", model: "claude-opus-5-5", content: [], stop_reason: null, stop_sequence: null, usage: { input_tokens: 20, output_tokens: 1, cache_read_input_tokens: 5, cache_creation_input_tokens: 0 } } },
  { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "three" } },
];

export const anthropicEnd: readonly JsonObject[] = [
  { type: "content_block_stop", index: 0 },
  { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 9 } },
  { type: "message_stop" },
];

export function chatChunk(delta: JsonObject, finishReason: string | null = null): JsonObject {
  return { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1_790_000_000, model: "llama3", choices: [{ index: 0, delta, finish_reason: finishReason }] };
}
