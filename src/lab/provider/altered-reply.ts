import { isJsonObject, type Json, type JsonObject } from "../../base/json.ts";
import type { Alteration } from "./fault.ts";
import type { SettledReply } from "./settled-reply.ts";
import { type ReplyPart, replyText, type SimulatedReply } from "./simulated-reply.ts";
import type { SimulatedRequest } from "./simulated-request.ts";

/** The model that answers instead of the one that was asked. */
const otherModel = "sim-other-model";

/** What a script answered, altered before it is settled. */
export function alterScripted(reply: SimulatedReply, how: Alteration | null): SimulatedReply {
  switch (how) {
    case "refusal":
      return { parts: [{ type: "text", text: "I can't help with that." }], stopReason: "refusal" };
    case "error-text":
      return replyText("Error: 503 Service Unavailable. The upstream server is overloaded, please try again later.");
    case "zero-usage":
      return { ...reply, usage: { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0, reasoningTokens: 0 } };
    case "unknown-tool":
      return { parts: [{ type: "tool-call", name: "no_such_tool", input: {} }] };
    case "half-arguments":
      return { ...reply, parts: reply.parts.map(halve) };
    case "repeated-ids":
      return { ...reply, parts: [...reply.parts, ...reply.parts.filter((part) => part.type === "tool-call")] };
    default:
      return reply;
  }
}

/** The same, settled: every part has the id of the first. */
export function alterSettled(reply: SettledReply, how: Alteration | null): SettledReply {
  if (how !== "repeated-ids") return reply;
  const id = reply.parts[0]?.id ?? "";
  return { ...reply, parts: reply.parts.map((part) => ({ ...part, id })) };
}

/** The request as the answer repeats it. */
export function alterRequest(request: SimulatedRequest, how: Alteration | null): SimulatedRequest {
  return how === "other-model" ? { ...request, model: otherModel } : request;
}

/** A body or an event that is ready to be sent. */
export function alterRendered(body: JsonObject, how: Alteration | null): JsonObject {
  return how === "no-usage" ? withoutUsage(body) : body;
}

function withoutUsage(body: JsonObject): JsonObject {
  const fields = Object.fromEntries(Object.entries(body).filter(([name]) => name !== "usage"));
  const inner = (name: string): JsonObject => {
    const value: Json | undefined = fields[name];
    return isJsonObject(value) ? { [name]: withoutUsage(value) } : {};
  };
  return { ...fields, ...inner("message"), ...inner("response") };
}

function halve(part: ReplyPart): ReplyPart {
  if (part.type === "text") return part;
  const text = JSON.stringify(part.input ?? {});
  return { ...part, argumentsText: text.slice(0, Math.ceil(text.length / 2)) };
}
