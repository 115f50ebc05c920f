import type { GroupCommit } from "../db/group-commit.ts";
import { sweepPayloads } from "../db/payload-sweep.ts";
import type { SqliteDatabase } from "../db/sqlite.ts";
import { enginePayloadColumns } from "../engine/sqlite/forget.ts";
import { computePagesToRelease } from "../policy/retention.ts";
import { storePayloadColumns } from "../store/sqlite/forget.ts";
import type { StorageUpkeep } from "./storage-upkeep.ts";

/** All columns of a data file that may refer to payloads. */
export const payloadColumns = { ...enginePayloadColumns, ...storePayloadColumns };

/** Pages that are moved in one commit. */
const pagesAtOnce = 100;

/** Keeps a data file small. */
export function createFileUpkeep(db: SqliteDatabase, commit: GroupCommit): StorageUpkeep {
  let cameTo = 0;
  return {
    forgetWorkers: () => Promise.resolve(),
    async sweep(rest) {
      cameTo = (await sweepPayloads({ db, commit, columns: payloadColumns, rest }, cameTo)).cameTo;
    },
    async shrink(rest) {
      let pages = computePagesToRelease(db.size);
      if (pages === 0) return;
      for (; pages > 0; pages -= pagesAtOnce) {
        const count = Math.min(pages, pagesAtOnce);
        await commit.submit((tx) => tx.releasePages(count), { mayRepeat: true });
        await rest();
      }
      if (!db.inTransaction) db.checkpoint();
    },
  };
}
