import { isJsonObject, type Json, type JsonObject } from "../base/json.ts";
import { type Schema, toJsonSchema } from "../base/schema.ts";
import { finalAnswerTool, type ToolSpec } from "../record/message.ts";

/** A schema that is not an object is handed in as `{ "value": … }`, since tool inputs are objects. */
const wrappedField = "value";

export function finalAnswerSpec(output: Schema): ToolSpec {
  const schema = toJsonSchema(output) ?? {};
  const inputSchema: JsonObject = isObjectSchema(schema) ? schema : { type: "object", properties: { [wrappedField]: schema }, required: [wrappedField] };
  return { name: finalAnswerTool, description: "Hand in your final answer. Call it once, when the work is finished.", inputSchema };
}

/** The output that a `final_answer` call carries. */
export function unwrapFinalAnswer(output: Schema, input: Json): Json {
  if (isObjectSchema(toJsonSchema(output) ?? {})) return input;
  return isJsonObject(input) ? (input[wrappedField] ?? null) : input;
}

/** A plain text answer that is JSON all the same, perhaps in a code fence; undefined when it is not. */
export function parseTextAnswer(text: string): Json | undefined {
  const fenced = /```(?:json)?\s*([\s\S]*?)```/.exec(text);
  try {
    return JSON.parse((fenced?.[1] ?? text).trim()) as Json;
  } catch {
    // Not JSON: the model is asked to hand in its answer through the tool.
    return undefined;
  }
}

function isObjectSchema(schema: JsonObject): boolean {
  return schema["type"] === "object";
}
