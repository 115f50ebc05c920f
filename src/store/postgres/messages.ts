import type { Json } from "../../base/json.ts";
import { loadJson, storeJson } from "../../db/postgres-payload.ts";
import type { PostgresSession } from "../../db/postgres.ts";
import type { Message } from "../../record/message.ts";
import type { Write } from "../../record/write.ts";

type MessageWrite = Extract<Write, { readonly type: "message" }>;

/** A transcript is read back this far, from its end; it also ends a chain that a foreign hand made a ring. */
const transcriptLengthMax = 10_000;

// In the order of their ids: two transactions that keep the same messages never wait for each other crosswise. What is there and was marked as used within the hour is not locked at all.
const insertMessages = `INSERT INTO lh_message (id, parent_id, content)
  SELECT id, parent_id, content FROM unnest($1::text[], $2::text[], $3::text[]) AS new (id, parent_id, content)
  WHERE NOT EXISTS (SELECT 1 FROM lh_message AS old WHERE old.id = new.id AND old.used_at > clock_timestamp() - interval '1 hour') ORDER BY id
  ON CONFLICT (id) DO UPDATE SET used_at = clock_timestamp()`;
const selectTranscript = `WITH RECURSIVE chain (depth, parent_id, content) AS (
    SELECT 1, parent_id, content FROM lh_message WHERE id = $1
    UNION ALL
    SELECT depth + 1, message.parent_id, message.content FROM chain JOIN lh_message AS message ON message.id = chain.parent_id WHERE depth < ${transcriptLengthMax}
  ) SELECT content FROM chain ORDER BY depth DESC`;

/** What a message comes to in the table. */
export interface MessageRow {
  readonly id: string;
  readonly parentId: string | null;
  /** JSON. */
  readonly content: string;
}

export function toMessageRow({ id, parentId, content }: MessageWrite): MessageRow {
  return { id, parentId, content: JSON.stringify(content) };
}

/** Keeps messages. Each holds only itself and its parent's id, so that a conversation grows by what is said and not by what was said before. */
export async function insertMessagesOnce(tx: PostgresSession, rows: readonly MessageRow[]): Promise<void> {
  if (rows.length === 0) return;
  const contents = await storeJson(tx, rows.map(({ content }) => content));
  await tx.run(insertMessages, rows.map(({ id }) => id), rows.map(({ parentId }) => parentId), contents);
}

/** The transcript that ends with `headId`, oldest first; the last 10,000 messages of a longer one. Empty when unknown. */
export async function selectMessages(session: PostgresSession, headId: string): Promise<readonly Message[]> {
  const contents: readonly Json[] = await loadJson(session, (await session.all(selectTranscript, headId)).map((row) => String(row["content"])));
  return contents as unknown as readonly Message[];
}
