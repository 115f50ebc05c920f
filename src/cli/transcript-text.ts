import type { Json } from "../base/json.ts";
import type { Message } from "../record/message.ts";
import { prettyJson, type Output } from "./output.ts";
import { printable, printableLine } from "./printable.ts";

/** A prompt and its answer as text for people, whole. */
export function formatTranscript(messages: readonly Message[], style: Output["style"]): readonly string[] {
  return messages.flatMap((message) => [style("bold", `── ${message.role}`), ...bodyOf(message, style), ""]);
}

/** Controls are taken out of the text before it is coloured: the colours are controls too. */
function bodyOf(message: Message, style: Output["style"]): readonly string[] {
  switch (message.role) {
    case "system":
      return [...linesOf(message.text), ...(message.tools.length === 0 ? [] : ["", style("dim", "Tools:"), ...message.tools.flatMap(({ name, description }) => linesOf(`  ${name}: ${description}`))])];
    case "user":
      return linesOf(message.text);
    case "assistant":
      return message.parts.flatMap((part) => {
        if (part.type === "tool-call") return [style("cyan", printableLine(`calls ${part.toolName} (${part.callId})`)), ...linesOf(textOfValue(part.input))];
        return part.type === "reasoning" ? linesOf(`thinks: ${part.text}`).map((line) => style("dim", line)) : linesOf(part.text);
      });
    case "tool":
      return message.results.flatMap((result) => [style(result.isError ? "red" : "cyan", printableLine(`${result.toolName} (${result.callId}) ${result.isError ? "failed" : "returned"}`)), ...linesOf(textOfValue(result.value))]);
  }
}

function linesOf(text: string): readonly string[] {
  return printable(text).split("\n");
}

/** Text as it is, anything else as indented JSON. */
export function textOfValue(value: Json): string {
  return typeof value === "string" ? value : prettyJson(value);
}
