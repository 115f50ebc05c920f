import { canonicalJson, hashOf, type Json } from "../base/json.ts";
import type { Message } from "../record/message.ts";
import type { Write } from "../record/write.ts";

export interface StoredTranscript {
  /** The id of the last message: names the whole transcript. */
  readonly headId: string;
  /** The messages that were not stored before. */
  readonly writes: readonly Write[];
}

/**
 * Stores transcripts as message deltas: a message's id is derived from its parent and its content, so that a prompt that grows by two messages stores two, and
 * only those are hashed. One writer per run remembers what it has stored; a replayed run stores again under the same ids.
 */
export function createTranscriptWriter(): (messages: readonly Message[]) => StoredTranscript {
  const stored = new Set<string>();
  const ids = new WeakMap<Message, { readonly parentId: string | null; readonly id: string }>();
  const idOf = (message: Message, parentId: string | null): string => {
    const known = ids.get(message);
    if (known !== undefined && known.parentId === parentId) return known.id;
    const id = hashOf(`${parentId ?? ""}\n${canonicalJson(message as unknown as Json)}`);
    ids.set(message, { parentId, id });
    return id;
  };
  return (messages) => {
    const writes: Write[] = [];
    let parentId: string | null = null;
    for (const message of messages) {
      const id: string = idOf(message, parentId);
      if (!stored.has(id)) writes.push({ type: "message", id, parentId, content: message as unknown as Json });
      stored.add(id);
      parentId = id;
    }
    return { headId: parentId ?? "", writes };
  };
}
