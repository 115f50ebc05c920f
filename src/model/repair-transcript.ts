import type { AssistantMessage, Message, ToolMessage, ToolResultPart } from "../record/message.ts";
import { toolCallsOf } from "../record/message.ts";

/** What a model is told of a call whose result is not in the transcript: a crash, a cancellation, a window that cut it off. */
const interruptedResult = "interrupted: no result";

/**
 * A transcript in which every tool call is followed at once by exactly one result, as providers demand. A call without a result gets an error
 * result, a late result moves up to its call, and a result without a call becomes a user message, so that nothing is lost.
 */
export function repairTranscript(messages: readonly Message[]): readonly Message[] {
  const used = new Set<ToolResultPart>();
  const answers = messages.map((message, index) => (message.role === "assistant" ? answersOf(message, messages.slice(index + 1), used) : null));
  return messages.flatMap((message, index): readonly Message[] => {
    if (message.role === "tool") return orphansOf(message, used);
    const answer = answers[index];
    return answer ? [message, answer] : [message];
  });
}

/** One result for each call, in the order of the calls. Ids may come again in later turns, so that the search ends where the same id is called again. */
function answersOf(message: AssistantMessage, following: readonly Message[], used: Set<ToolResultPart>): ToolMessage | null {
  const calls = toolCallsOf(message);
  if (calls.length === 0) return null;
  const results = calls.map((call): ToolResultPart => {
    const found = findResult(call.callId, following, used);
    if (found === null) return { type: "tool-result", callId: call.callId, toolName: call.toolName, isError: true, value: interruptedResult };
    used.add(found);
    return found;
  });
  return { role: "tool", results };
}

function findResult(callId: string, following: readonly Message[], used: ReadonlySet<ToolResultPart>): ToolResultPart | null {
  for (const message of following) {
    if (message.role === "assistant" && toolCallsOf(message).some((call) => call.callId === callId)) return null;
    const found = message.role === "tool" ? message.results.find((result) => result.callId === callId && !used.has(result)) : undefined;
    if (found) return found;
  }
  return null;
}

function orphansOf(message: ToolMessage, used: ReadonlySet<ToolResultPart>): readonly Message[] {
  return message.results
    .filter((result) => !used.has(result))
    .map((result) => ({ role: "user", text: `Result of an earlier call of ${result.toolName}${result.isError ? " (error)" : ""}: ${textOfValue(result)}` }));
}

function textOfValue(result: ToolResultPart): string {
  return typeof result.value === "string" ? result.value : JSON.stringify(result.value);
}
