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
 * Stores transcripts as message deltas: a message's id is derived from its parent and its content, so that a prompt that grows by two messages stores two.
 * One writer per run remembers what it has stored; a replayed run stores again under the same ids.
 */
export function createTranscriptWriter(): (messages: readonly Message[]) => StoredTranscript {
  const stored = new Set<string>();
  return (messages) => {
    const writes: Write[] = [];
    let parentId: string | null = null;
    for (const message of messages) {
      const content = message as unknown as Json;
      const id: string = hashOf(`${parentId ?? ""}\n${canonicalJson(content)}`);
      if (!stored.has(id)) writes.push({ type: "message", id, parentId, content });
      stored.add(id);
      parentId = id;
    }
    return { headId: parentId ?? "", writes };
  };
}
