import type { Json } from "../../base/json.ts";
import { loadJson, storeJson } from "../../db/payload.ts";
import type { SqliteDatabase } from "../../db/sqlite.ts";
import type { Message } from "../../record/message.ts";

/** A transcript is read back this far, from its end; it also ends a chain that a foreign hand made a ring. */
const transcriptLengthMax = 10_000;

const insertMessage = "INSERT INTO lh_message (id, parent_id, content) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING";
const selectTranscript = `WITH RECURSIVE chain (depth, parent_id, content) AS (
    SELECT 1, parent_id, content FROM lh_message WHERE id = ?
    UNION ALL
    SELECT depth + 1, message.parent_id, message.content FROM chain JOIN lh_message AS message ON message.id = chain.parent_id WHERE depth < ${transcriptLengthMax}
  ) SELECT content FROM chain ORDER BY depth DESC`;

/** Keeps one message. It holds only itself and its parent's id, so that a conversation grows by what is said and not by what was said before. */
export function insertMessageOnce(db: SqliteDatabase, id: string, parentId: string | null, content: Json): void {
  db.run(insertMessage, id, parentId, storeJson(db, JSON.stringify(content)));
}

/** The transcript that ends with `headId`, oldest first; the last 10,000 messages of a longer one. Empty when unknown. */
export function selectMessages(db: SqliteDatabase, headId: string): readonly Message[] {
  return db.all(selectTranscript, headId).map((row) => loadJson(db, String(row["content"])) as unknown as Message);
}
