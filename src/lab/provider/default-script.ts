import { type Script, type SimulatedReply, replyObject, replyText, replyToolCall } from "./simulated-reply.ts";
import { currentTurnOf, type SimulatedRequest, type SimulatedTool, toolCallsOf } from "./simulated-request.ts";
import { synthesizeValue } from "./schema-value.ts";

/** Tools by which an agent hands in its answer: Longhaul's own, and the one that the AI SDK adds where a model has no structured output. */
const answerToolNames: ReadonlySet<string> = new Set(["final_answer", "json"]);

/**
 * A model with manners and no ideas: it calls one tool per turn, the first that it did not use yet, then answers, by the answering tool
 * where one is offered, else in the format that was asked for. All values are synthesised from the schemas.
 */
export const defaultScript: Script = (request, { random }) => {
  const tool = chooseTool(request);
  if (tool) return replyToolCall(tool.name, synthesizeValue(tool.inputSchema, random));
  return answer(request, random);
};

function answer(request: SimulatedRequest, random: Parameters<typeof synthesizeValue>[1]): SimulatedReply {
  if (request.responseFormat) return replyObject(request.responseFormat.schema ? synthesizeValue(request.responseFormat.schema, random) : {});
  const resultCount = currentTurnOf(request).flatMap((message) => message.parts).filter((part) => part.type === "tool-result").length;
  return replyText(`This is a simulated answer. Tool results in this turn: ${resultCount}.`);
}

function chooseTool(request: SimulatedRequest): SimulatedTool | undefined {
  const { tools, toolChoice } = request;
  if (toolChoice.type === "none") return undefined;
  if (toolChoice.type === "tool") return tools.find((tool) => tool.name === toolChoice.name);

  const answerTool = tools.find((tool) => answerToolNames.has(tool.name));
  const used = new Set(toolCallsOf(request).map((call) => call.name));
  const unused = tools.find((tool) => tool !== answerTool && !used.has(tool.name));
  const hasResult = currentTurnOf(request).some((message) => message.parts.some((part) => part.type === "tool-result"));
  if (unused && !hasResult) return unused;
  return answerTool ?? (toolChoice.type === "required" ? (unused ?? tools[0]) : undefined);
}
