import type { Json } from "../base/json.ts";
import type { Message } from "../record/message.ts";
import { prettyJson, type Output } from "./output.ts";
import { printable } from "./printable.ts";

/** A prompt and its answer as text for people, whole. */
export function formatTranscript(messages: readonly Message[], style: Output["style"]): readonly string[] {
  return messages.flatMap((message) => [style("bold", `── ${message.role}`), ...bodyOf(message, style).flatMap((text) => printable(text).split("\n")), ""]);
}

function bodyOf(message: Message, style: Output["style"]): readonly string[] {
  switch (message.role) {
    case "system":
      return [message.text, ...(message.tools.length === 0 ? [] : ["", style("dim", "Tools:"), ...message.tools.map(({ name, description }) => `  ${name}: ${description}`)])];
    case "user":
      return [message.text];
    case "assistant":
      return message.parts.flatMap((part) => {
        if (part.type === "tool-call") return [style("cyan", `calls ${part.toolName} (${part.callId})`), textOfValue(part.input)];
        return part.type === "reasoning" ? [style("dim", `thinks: ${part.text}`)] : [part.text];
      });
    case "tool":
      return message.results.flatMap((result) => [style(result.isError ? "red" : "cyan", `${result.toolName} (${result.callId}) ${result.isError ? "failed" : "returned"}`), textOfValue(result.value)]);
  }
}

/** Text as it is, anything else as indented JSON. */
export function textOfValue(value: Json): string {
  return typeof value === "string" ? value : prettyJson(value);
}
