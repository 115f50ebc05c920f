import type { PostgresSession } from "./postgres.ts";

/** A notice is at most 8,000 bytes long; longer texts are for the reader to look up. */
const noticeLengthMax = 1_000;

/** SQL for the channel. Notices go to the whole database: a schema has one of its own. current_schema() is the one that the connection looks into first. */
const channel = "'longhaul_' || current_schema()";
const tell = `SELECT pg_notify(${channel}, $1 || ' ' || text) FROM unnest($2::text[]) AS text`;

/** SQL of a value that tells who listens to `topic`. */
export function noticeOf(topic: string, text: string): string {
  return `pg_notify(${channel}, '${topic} ${text}')`;
}

/** SQL of an INSERT that tells who listens to `topic` when it has made a row: one statement, where whoever waits for each would wait for two. */
export function withNotice(insert: string, topic: string, text: string): string {
  return `WITH new AS (${insert} RETURNING 1) SELECT ${noticeOf(topic, text)} FROM new`;
}

/** Tells all who listen to `topic`, this process too, when the transaction commits. @throws {RangeError} for a text of more than 1,000 characters */
export async function notify(tx: PostgresSession, topic: string, texts: readonly string[]): Promise<void> {
  if (texts.some(({ length }) => length > noticeLengthMax)) throw new RangeError(`A notice of ${topic} is longer than ${noticeLengthMax} characters.`);
  if (texts.length > 0) await tx.run(tell, topic, texts);
}
