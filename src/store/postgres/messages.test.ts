import { afterAll, expect, it } from "vitest";
import { sharedPostgres } from "../../db/fixture/postgres-server.ts";
import { OpenedStores } from "./fixture/opened-stores.ts";

const stores = new OpenedStores(() => sharedPostgres().then((server) => server.createDatabase()));
afterAll(() => stores.closeAll());

it("ends a transcript at 10,000 messages, and so one whose parents form a ring", async () => {
  const { store } = await stores.open();
  await store.write([{ type: "message", id: "a", parentId: "b", content: { role: "user", text: "a" } }, { type: "message", id: "b", parentId: "a", content: { role: "user", text: "b" } }]);

  const transcript = await store.messages.transcript("a");

  expect(transcript).toHaveLength(10_000);
  expect(transcript.at(-1)).toEqual({ role: "user", text: "a" });
});

it("stores a document once, whichever messages and records quote it", async () => {
  const { store, db } = await stores.open();
  const text = "word \u0000".repeat(3_000);
  await store.write([
    { type: "message", id: "a", parentId: null, content: { role: "user", text } },
    { type: "message", id: "b", parentId: "a", content: { role: "user", text } },
    { type: "effect.complete", key: "e", result: { text } },
  ]);

  expect(await store.messages.transcript("b")).toEqual([{ role: "user", text }, { role: "user", text }]);
  expect(await store.effects.intend({ key: "e", fence: 1, toolName: "t", taskId: "t", runId: "r", atMs: 1 })).toEqual({ state: "completed", result: { text } });
  expect(await db.get("SELECT count(*) AS count FROM lh_payload")).toEqual({ count: 1 });
});
