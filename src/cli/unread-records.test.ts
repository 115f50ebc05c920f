import { expect, it, onTestFinished } from "vitest";
import { GroupCommit } from "../db/group-commit.ts";
import { migrate } from "../db/migration.ts";
import { SqliteDatabase } from "../db/sqlite.ts";
import { toLogRecord } from "../record/log-record.ts";
import { storeMigrations } from "../store/sqlite/schema.ts";
import { createSqliteStore } from "../store/sqlite/sqlite-store.ts";
import type { RecordFilter } from "../store/store.ts";
import { UnreadRecords } from "./unread-records.ts";

/** A store, and from where on it was asked for records that pass a filter. */
function openStore() {
  const db = SqliteDatabase.open(":memory:");
  migrate(db, storeMigrations);
  const commit = new GroupCommit({ db });
  const store = createSqliteStore({ db, commit });
  onTestFinished(async () => {
    await store.close();
    await commit.close();
    db.close();
  });
  const askedBehind: (number | undefined)[] = [];
  const query = (filter: RecordFilter): ReturnType<typeof store.records.query> => {
    if (filter.take === "oldest") askedBehind.push(filter.afterPosition);
    return store.records.query(filter);
  };
  const write = (...agents: readonly string[]): Promise<void> => store.write(agents.map((agent_id, n) => ({ type: "record", record: toLogRecord(`${agent_id} ${askedBehind.length} ${n}`, 0, "team", { event_type: "task", agent_id }) })));
  return { records: { query }, askedBehind, write };
}

const agentsOf = ({ found }: Awaited<ReturnType<UnreadRecords["read"]>>): readonly (string | null)[] => found.map(({ record }) => record.agent_id);

it("reads each record once, and looks at none again that its filter passed over", async () => {
  const { records, askedBehind, write } = openStore();
  const unread = new UnreadRecords(records, { agent: "rare" }, 0);

  await write("busy", "busy", "busy");
  expect(agentsOf(await unread.read())).toEqual([]);
  await write("busy", "rare", "busy");
  expect(agentsOf(await unread.read())).toEqual(["rare"]);
  expect(agentsOf(await unread.read())).toEqual([]);
  await write("rare");
  expect(agentsOf(await unread.read())).toEqual(["rare"]);

  expect(askedBehind).toEqual([0, 3, 6]);
  expect(unread.position).toBe(7);
});
