import { assert } from "../../base/assert.ts";
import type { Random } from "../../base/random.ts";
import type { ReplyPart, SimulatedReply, SimulatedUsage, StopReason } from "./simulated-reply.ts";
import type { SimulatedRequest } from "./simulated-request.ts";

/** A reply with nothing left open: ids given, output limit applied, tokens counted. Wire formats only write it down. */
export interface SettledReply {
  /** Unique and reproducible; a wire format puts its own prefix before it. */
  readonly id: string;
  readonly createdAtMs: number;
  readonly parts: readonly SettledPart[];
  readonly stopReason: StopReason;
  readonly usage: SimulatedUsage;
}

export type SettledPart =
  | { readonly type: "text"; readonly id: string; readonly text: string }
  /** The arguments are not valid JSON where the output limit cut them, or where the script says so. */
  | { readonly type: "tool-call"; readonly id: string; readonly name: string; readonly argumentsText: string };

const charactersPerToken = 4;
const idAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZabcdefghjkmnpqrstvwxyz";
const idLength = 20;

/** Completes what a script answered. */
export function settleReply(
  request: SimulatedRequest,
  reply: SimulatedReply,
  { random, createdAtMs }: { readonly random: Random; readonly createdAtMs: number },
): SettledReply {
  const id = createId(random);
  const whole = reply.parts.map((part, index) => settlePart(part, `${id}${index}`));
  const parts = cutToLimit(whole, request.maxOutputTokens);
  const wasCut = parts.length < whole.length || charactersOf(parts) < charactersOf(whole);
  const natural = reply.stopReason ?? (parts.some((part) => part.type === "tool-call") ? "tool-calls" : "stop");
  return { id, createdAtMs, parts, stopReason: wasCut ? "length" : natural, usage: usageOf(request, parts, reply.usage) };
}

/** Input tokens of a request, by the rule of thumb of four characters a token. */
export function estimateInputTokens(request: SimulatedRequest): number {
  const conversation = JSON.stringify([request.system, request.messages.map((message) => message.parts)]);
  const tools = request.tools.length === 0 ? "" : JSON.stringify(request.tools);
  return tokensOf(conversation.length + tools.length);
}

function settlePart(part: ReplyPart, id: string): SettledPart {
  if (part.type === "text") return { type: "text", id, text: part.text };
  const argumentsText = part.argumentsText ?? JSON.stringify(part.input ?? {});
  assert(typeof argumentsText === "string", `the input of tool ${part.name} is not JSON`);
  return { type: "tool-call", id, name: part.name, argumentsText };
}

function cutToLimit(parts: readonly SettledPart[], tokensMax: number | null): readonly SettledPart[] {
  if (tokensMax === null) return parts;
  let left = tokensMax * charactersPerToken;
  const kept: SettledPart[] = [];
  for (const part of parts) {
    if (left <= 0) break;
    kept.push(part.type === "text" ? { ...part, text: part.text.slice(0, left) } : { ...part, argumentsText: part.argumentsText.slice(0, left) });
    left -= charactersOf([part]);
  }
  return kept;
}

function usageOf(request: SimulatedRequest, parts: readonly SettledPart[], given: Partial<SimulatedUsage> = {}): SimulatedUsage {
  const reasoningTokens = given.reasoningTokens ?? 0;
  return {
    inputTokens: given.inputTokens ?? estimateInputTokens(request),
    cachedInputTokens: given.cachedInputTokens ?? 0,
    outputTokens: given.outputTokens ?? tokensOf(charactersOf(parts)) + reasoningTokens,
    reasoningTokens,
  };
}

function charactersOf(parts: readonly SettledPart[]): number {
  return parts.reduce((sum, part) => sum + (part.type === "text" ? part.text.length : part.argumentsText.length), 0);
}

/** Never 0: providers bill a token even for an empty answer. */
function tokensOf(characters: number): number {
  return Math.max(1, Math.ceil(characters / charactersPerToken));
}

function createId(random: Random): string {
  return Array.from({ length: idLength }, () => idAlphabet[Math.floor(random.next() * idAlphabet.length)]).join("");
}
