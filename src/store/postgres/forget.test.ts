import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { macrotask } from "../../base/turn.ts";
import { sharedPostgres } from "../../db/fixture/postgres-server.ts";
import { sweepPayloads } from "../../db/postgres-payload-sweep.ts";
import { toLogRecord } from "../../record/log-record.ts";
import type { Write } from "../../record/write.ts";
import { type OpenedStore, OpenedStores } from "./fixture/opened-stores.ts";
import { storePayloadColumns } from "./forget.ts";

const stores = new OpenedStores(() => sharedPostgres().then((server) => server.createDatabase()));
let opened: OpenedStore;
beforeEach(async () => {
  opened = await stores.openEmptied();
  // The first one starts a server.
});
afterEach(() => stores.closeAll());

const startAtMs = Date.UTC(2026, 0, 15);
const long = "long ".repeat(2_000);

function message(id: string, parentId: string | null, text: string): Write {
  return { type: "message", id, parentId, content: { role: "user", text } };
}

function call(id: string, transcript: string): Write {
  return { type: "record", record: toLogRecord(id, startAtMs, "team", { event_type: "model_call", data: { transcript } }) };
}

/** As if nothing had been used for two days. */
async function age(): Promise<void> {
  for (const table of ["lh_message", "lh_payload"]) await opened.db.exec(`UPDATE ${table} SET used_at = used_at - interval '2 days'`);
}

async function idsOf(table: string, column: string): Promise<readonly string[]> {
  return (await opened.db.all(`SELECT ${column} AS id FROM ${table} ORDER BY 1`)).map((row) => String(row["id"]));
}

describe("what transcripts hold", () => {
  it("is deleted when no record leads to it any more, two days after it was used", async () => {
    const { store } = opened;
    await store.write([message("m1", null, "shared"), message("m2", "m1", "named"), message("m3", "m1", "lost"), message("m4", "m3", "lost"), call("c1", "m2")]);
    await store.forgetMessages();
    expect(await idsOf("lh_message", "id")).toEqual(["m1", "m2", "m3", "m4"]);

    await age();
    await store.forgetMessages();

    expect(await idsOf("lh_message", "id")).toEqual(["m1", "m2"]);
  });

  it("counts as used when it is written again", async () => {
    const { store } = opened;
    await store.write([message("m1", null, "again")]);
    await age();
    await store.write([message("m1", null, "again")]);

    await store.forgetMessages();

    expect(await idsOf("lh_message", "id")).toEqual(["m1"]);
  });
});

describe("large values", () => {
  it("are deleted when no row refers to them any more, and those within them with the next sweep", async () => {
    const { store, db } = opened;
    await store.write([message("m1", null, `${long} one`), { type: "effect.complete", key: "r1/x", result: { kept: `${long} two`, list: Array.from({ length: 2_000 }, (_, n) => n) } }]);
    expect(await idsOf("lh_payload", "hash")).toHaveLength(3);
    await db.exec("DELETE FROM lh_message");
    await age();

    await sweepPayloads(db, storePayloadColumns);

    expect(await idsOf("lh_payload", "hash")).toHaveLength(2);
    expect(await store.effects.intend({ key: "r1/x", fence: 1, toolName: "x", taskId: "t1", runId: "r1", atMs: 1 })).toMatchObject({ state: "completed", result: { kept: `${long} two` } });
  });

  it("stay when a transaction comes to refer to them while they are swept", async () => {
    const { store, db } = opened;
    await store.write([message("m1", null, long)]);
    await db.exec("DELETE FROM lh_message");
    await age();

    const sweeps: Promise<void>[] = [];
    await db.transaction(async (tx) => {
      await store.apply(tx, [message("m2", null, long)]);
      sweeps.push(sweepPayloads(db, storePayloadColumns));
      await macrotask();
    });
    await Promise.all(sweeps);

    expect(await store.messages.transcript("m2")).toMatchObject([{ text: long }]);
  });
});
