import type { Clock, Timer } from "../base/clock.ts";
import type { PostgresDatabase } from "../db/postgres.ts";
import { followRecords } from "../store/postgres/follow-records.ts";
import type { RecordWatch } from "./watch-data.ts";

/** Where nobody is told anything, as at a standby or behind a pool by transaction, news is this late: as late as the limit after a long silence. */
const lookMsMin = 2_000;
const lookMsMax = 30_000;

/** Calls `look` when records are told of, at once, and in any case: ever more rarely while it finds nothing by itself. */
export function watchClusterRecords(db: PostgresDatabase, clock: Clock, look: () => Promise<boolean>): RecordWatch {
  let isClosed = false;
  let waitMs = lookMsMin;
  let timer: Timer | null = null;
  const arm = (): void => {
    timer?.cancel();
    if (!isClosed) timer = clock.setTimer(waitMs, () => void lookUntold());
  };
  const lookUntold = async (): Promise<void> => {
    waitMs = (await look()) ? lookMsMin : Math.min(2 * waitMs, lookMsMax);
    arm();
  };
  const following = followRecords(db, clock, () => {
    void look();
    arm();
  });
  arm();
  return {
    close() {
      isClosed = true;
      timer?.cancel();
      following.close();
    },
  };
}
