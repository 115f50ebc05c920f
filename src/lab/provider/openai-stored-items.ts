import type { JsonObject } from "../../base/json.ts";
import { objectsOf } from "./body-reading.ts";
import { missingParameter } from "./openai-family.ts";
import { invalidRequest, ProviderError } from "./provider-error.ts";

/** More are forgotten, oldest first. */
const storedMax = 10_000;

/** What the Responses API stores so that a client may refer to it: output items and whole conversations, by id. In memory only. */
export class OpenAiStoredItems {
  readonly #items = new Map<string, JsonObject>();
  readonly #conversations = new Map<string, readonly JsonObject[]>();

  /** The whole conversation of a request: what it refers to put in place, oldest first. @throws {ProviderError} 400 or 404 */
  resolveInput({ input, previous_response_id: previousId }: JsonObject): readonly JsonObject[] {
    if (input === undefined && previousId === undefined) {
      throw invalidRequest("One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation_id' must be provided.", { code: "missing_required_parameter" });
    }
    const earlier = typeof previousId === "string" ? this.#findConversation(previousId) : [];
    const items = typeof input === "string" ? [{ role: "user", content: input }] : objectsOf(input);
    return [...earlier, ...items.map((item) => (item["type"] === "item_reference" ? this.#findItem(item["id"]) : item))];
  }

  store(responseId: string, input: readonly JsonObject[], output: readonly JsonObject[]): void {
    for (const item of output) put(this.#items, String(item["id"]), item);
    put(this.#conversations, responseId, [...input, ...output]);
  }

  #findItem(id: unknown): JsonObject {
    if (typeof id !== "string") throw missingParameter("input[].id");
    const item = this.#items.get(id);
    if (item) return item;
    const advice = "Items are not persisted when `store` is set to false. Try again with `store` set to true, or remove this item from your input.";
    throw new ProviderError(404, `Item with id '${id}' not found. ${advice}`, { type: "invalid_request_error", param: "input" });
  }

  #findConversation(id: string): readonly JsonObject[] {
    const conversation = this.#conversations.get(id);
    if (conversation) return conversation;
    throw invalidRequest(`Previous response with id '${id}' not found.`, { param: "previous_response_id", code: "previous_response_not_found" });
  }
}

function put<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.set(key, value);
  if (map.size <= storedMax) return;
  // Maps iterate in order of insertion.
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
