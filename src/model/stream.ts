import type { LanguageModelV4FinishReason, LanguageModelV4StreamPart, LanguageModelV4Usage, SharedV4ProviderMetadata } from "@ai-sdk/provider";
import type { Json, JsonObject } from "../base/json.ts";
import type { AssistantMessage, ReasoningPart, TextPart, ToolCallPart } from "../record/message.ts";

type StreamFinish = Extract<LanguageModelV4StreamPart, { type: "finish" }>;

/** What a stream came to. */
export interface CollectedStream {
  readonly message: AssistantMessage;
  /** Null when the stream ended without its last part. */
  readonly finish: { readonly reason: LanguageModelV4FinishReason; readonly usage: LanguageModelV4Usage } | null;
  readonly responseId: string | null;
  readonly responseModel: string | null;
}

interface Block {
  readonly type: "text" | "reasoning";
  text: string;
  providerOptions: JsonObject | undefined;
}

/** True for a part that carries something the model made. Keep-alives, metadata and empty deltas are not. */
export function isContent(part: LanguageModelV4StreamPart): boolean {
  switch (part.type) {
    case "text-delta":
    case "reasoning-delta":
    case "tool-input-delta":
      return part.delta !== "";
    case "tool-input-start":
    case "tool-call":
    case "tool-result":
    case "tool-approval-request":
    case "file":
    case "reasoning-file":
    case "source":
      return true;
    case "custom":
      // That a message begins is no part of it: Anthropic says so before the model has thought.
      return !part.kind.endsWith(".message_start");
    default:
      return false;
  }
}

/** Puts the parts of one stream together. Order is that in which blocks began. */
export class StreamCollector {
  readonly #parts: (Block | ToolCallPart)[] = [];
  readonly #blocks = new Map<string, Block>();
  readonly #callIds = new Set<string>();
  #finish: StreamFinish | null = null;
  #responseId: string | null = null;
  #responseModel: string | null = null;

  add(part: LanguageModelV4StreamPart): void {
    switch (part.type) {
      case "text-start":
      case "text-delta":
      case "text-end":
        this.#addToBlock("text", part.id, "delta" in part ? part.delta : "", part.providerMetadata, part.type === "text-start");
        break;
      case "reasoning-start":
      case "reasoning-delta":
      case "reasoning-end":
        this.#addToBlock("reasoning", part.id, "delta" in part ? part.delta : "", part.providerMetadata, part.type === "reasoning-start");
        break;
      case "tool-call":
        // A call that the provider ran itself has its result in the same answer: nothing is left for us to run.
        if (part.providerExecuted !== true) this.#addCall(part);
        break;
      case "response-metadata":
        this.#responseId = part.id ?? this.#responseId;
        this.#responseModel = part.modelId ?? this.#responseModel;
        break;
      case "finish":
        this.#finish = part;
        break;
      default:
        break;
    }
  }

  collect(): CollectedStream {
    const parts = this.#parts.flatMap((part): AssistantMessage["parts"] => (part.type === "tool-call" ? [part] : toPart(part)));
    const finish = this.#finish === null ? null : { reason: this.#finish.finishReason, usage: this.#finish.usage };
    return { message: { role: "assistant", parts }, finish, responseId: this.#responseId, responseModel: this.#responseModel };
  }

  #addToBlock(type: Block["type"], id: string, delta: string, metadata: SharedV4ProviderMetadata | undefined, begins: boolean): void {
    const key = `${type}/${id}`;
    let block = this.#blocks.get(key);
    if (block === undefined || begins) {
      block = { type, text: "", providerOptions: undefined };
      this.#blocks.set(key, block);
      this.#parts.push(block);
    }
    block.text += delta;
    if (metadata !== undefined) block.providerOptions = mergeOptions(block.providerOptions, metadata);
  }

  #addCall(part: Extract<LanguageModelV4StreamPart, { type: "tool-call" }>): void {
    const callId = this.#uniqueId(part.toolCallId);
    const input = parseInput(part.input);
    const options = part.providerMetadata === undefined ? {} : { providerOptions: part.providerMetadata as JsonObject };
    this.#parts.push({ type: "tool-call", callId, toolName: part.toolName, input, ...options });
  }

  /** Some servers leave ids empty or use one twice; results are matched by them. */
  #uniqueId(id: string): string {
    let unique = id === "" ? "call" : id;
    for (let copy = 2; this.#callIds.has(unique); copy++) unique = `${id === "" ? "call" : id}_${copy}`;
    this.#callIds.add(unique);
    return unique;
  }
}

/** The arguments that a model wrote. No text means no arguments; text that is not JSON is kept as it is, for the tool's schema to refuse. */
export function parseInput(text: string): Json {
  if (text.trim() === "") return {};
  try {
    return JSON.parse(text) as Json;
  } catch {
    // The raw text goes on, so that the model can be told what was wrong with it.
    return text;
  }
}

function toPart(block: Block): readonly (TextPart | ReasoningPart)[] {
  if (block.text === "" && block.providerOptions === undefined) return [];
  // Text without words carries nothing; reasoning without words may carry a signature or encrypted content.
  if (block.text === "" && block.type === "text") return [];
  return [{ type: block.type, text: block.text, ...(block.providerOptions !== undefined && { providerOptions: block.providerOptions }) }];
}

/** Start, deltas and end each may bring some fields of one provider. */
function mergeOptions(before: JsonObject | undefined, added: SharedV4ProviderMetadata): JsonObject {
  const merged: Record<string, Json> = { ...before };
  for (const [provider, fields] of Object.entries(added)) merged[provider] = { ...(merged[provider] as JsonObject | undefined), ...(fields as JsonObject) };
  return merged;
}
