import { type Clock, sleep } from "../../base/clock.ts";
import type { Listening, RunListening } from "../../db/postgres-notices.ts";
import { noticeOf } from "../../db/postgres-notify.ts";
import type { PostgresDatabase } from "../../db/postgres.ts";

export const recordsTopic = "records";

/*
 * A notice makes a transaction take its turn among all of the server's at its commit, so that records are told of only while somebody waits for them. A follower that waits
 * shares this lock, and one that was told lets go of it until it looks again: however much is written, each costs about one notice a second. Whoever writes records
 * tries to have the lock alone, in a statement that it sends anyway, and tells where it cannot. It keeps what it got until its commit is visible, and a follower that begins to
 * wait waits for that: what it was not told of, it sees.
 */
const followers = "1819828325, hashtext(current_schema())";
const beginWaiting = `SELECT pg_advisory_lock_shared(${followers})`;
const endWaiting = `SELECT pg_advisory_unlock_shared(${followers})`;

/** One that was told looks at once, and again after this long. */
const restMs = 1_000;

/** SQL of a value: tells those who wait for records, if anybody does, when the transaction commits. */
export const tellFollowers = `CASE WHEN NOT pg_try_advisory_xact_lock(${followers}) THEN ${noticeOf(recordsTopic, "")} END`;

/** Calls `onNews` when a process wrote records, at once after a rest and else within a second, and when one may have, until it is closed. Sends nothing while nothing is written. */
export function followRecords(db: PostgresDatabase, clock: Clock, onNews: () => void): Listening {
  let connection = new AbortController();
  let tell = (): void => undefined;
  const leave = (): void => {
    connection.abort();
    tell();
  };
  const follow = async (run: RunListening, { signal }: AbortController): Promise<void> => {
    while (!signal.aborted) {
      const told = new Promise<void>((resolve) => (tell = resolve));
      await run(beginWaiting);
      if (!signal.aborted) onNews();
      await told;
      if (!signal.aborted) onNews();
      await run(endWaiting);
      await sleep(clock, restMs, signal);
    }
  };
  const listening = db.listen(recordsTopic, {
    onNotice: () => tell(),
    onListening: (run) => {
      leave();
      connection = new AbortController();
      follow(run, connection).catch(() => undefined); // It was closed, or its connection was lost: then there will be another one.
    },
  });
  return {
    close() {
      leave();
      listening.close();
    },
  };
}
