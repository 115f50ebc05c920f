import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LonghaulError } from "../base/error.ts";
import { macrotask } from "../base/turn.ts";
import { GroupCommit } from "./group-commit.ts";
import { SqliteDatabase } from "./sqlite.ts";

const insert = "INSERT INTO item (name) VALUES (?)";

let db: SqliteDatabase;

beforeEach(() => {
  db = SqliteDatabase.open(":memory:");
  db.exec("CREATE TABLE item (position INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT");
});
afterEach(() => db.close());

function names(): readonly unknown[] {
  return db.all("SELECT name FROM item ORDER BY position").map((row) => row["name"]);
}

function add(commit: GroupCommit, name: string): Promise<string> {
  return commit.submit((tx) => {
    tx.run(insert, name);
    return name;
  });
}

describe("a group", () => {
  it("applies jobs in the order of their submission and answers each with its own value", async () => {
    const commit = new GroupCommit({ db });

    const values = await Promise.all(["a", "b", "c"].map((name) => add(commit, name)));

    expect(values).toEqual(["a", "b", "c"]);
    expect(names()).toEqual(["a", "b", "c"]);
  });

  it("shares one transaction among the jobs of one turn, however many", async () => {
    let transactions = 0;
    const commit = new GroupCommit({ db, guard: () => void transactions++ });

    await Promise.all(Array.from({ length: 500 }, (_, index) => add(commit, `n${index}`)));

    expect(transactions).toBe(1);
    expect(names()).toHaveLength(500);
  });

  it("goes on in a second transaction when there are more than 500 jobs", async () => {
    let transactions = 0;
    const commit = new GroupCommit({ db, guard: () => void transactions++ });

    await Promise.all(Array.from({ length: 501 }, (_, index) => add(commit, `n${index}`)));

    expect(transactions).toBe(2);
    expect(names()).toHaveLength(501);
  });

  it("answers nobody before the transaction has ended", async () => {
    const commit = new GroupCommit({ db });
    const seen: boolean[] = [];

    await Promise.all(["a", "b"].map(async (name) => {
      await add(commit, name);
      seen.push(db.inTransaction);
    }));

    expect(seen).toEqual([false, false]);
  });

  it("rejects every job when the commit itself fails, and works again afterwards", async () => {
    db.exec("CREATE TABLE child (item TEXT REFERENCES item (name) DEFERRABLE INITIALLY DEFERRED) STRICT");
    const commit = new GroupCommit({ db });

    const first = add(commit, "a");
    const orphan = commit.submit((tx) => tx.run("INSERT INTO child VALUES ('nobody')"));
    const ends = await Promise.allSettled([first, orphan]);

    expect(ends.map((end) => end.status)).toEqual(["rejected", "rejected"]);
    expect(names()).toEqual([]);
    await expect(add(commit, "b")).resolves.toBe("b");
  });
});

/** A group of jobs that may be repeated, one of which fails; how often each was called. */
function repeatable(commit: GroupCommit, group: readonly string[], failing: string) {
  const calls = new Map<string, number>();
  const ends = group.map((name) =>
    commit.submit((tx) => {
      calls.set(name, (calls.get(name) ?? 0) + 1);
      tx.run(insert, name);
      if (name === failing) throw new LonghaulError("BUDGET_EXCEEDED", "no");
      return name;
    }, { mayRepeat: true }));
  return { calls, ended: Promise.allSettled(ends) };
}

describe("jobs that may be repeated", () => {
  it("are called once when none fails", async () => {
    const { calls, ended } = repeatable(new GroupCommit({ db }), ["a", "b"], "nobody");

    expect((await ended).map((end) => end.status)).toEqual(["fulfilled", "fulfilled"]);
    expect([...calls.values()]).toEqual([1, 1]);
    expect(names()).toEqual(["a", "b"]);
  });

  it("are called again when one of their group fails, which takes nobody else's rows with it", async () => {
    const { calls, ended } = repeatable(new GroupCommit({ db }), ["a", "lost", "c"], "lost");

    expect((await ended).map((end) => end.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(Object.fromEntries(calls)).toEqual({ a: 2, lost: 2, c: 1 });
    expect(names()).toEqual(["a", "c"]);
  });

  it("are called once in the groups after one in which a job failed, and each group ends as it would", async () => {
    const commit = new GroupCommit({ db });
    await repeatable(commit, ["lost"], "lost").ended;

    for (let group = 0; group < 40; group++) {
      const { calls, ended } = repeatable(commit, [`a${group}`, `lost${group}`], `lost${group}`);
      expect((await ended).map((end) => end.status)).toEqual(["fulfilled", "rejected"]);
      // Sixteen groups are careful, then one is made twice.
      expect(calls.get(`a${group}`)).toBe(group % 17 === 16 ? 2 : 1);
    }
    expect(names()).toHaveLength(40);
  });

  it("share a group with one that must not be, and are not called again for it", async () => {
    const commit = new GroupCommit({ db });
    const calls: string[] = [];
    const once = commit.submit(() => calls.push("once"));
    const { calls: others, ended } = repeatable(commit, ["a", "lost"], "lost");

    await once;
    await ended;

    expect(calls).toEqual(["once"]);
    expect(Object.fromEntries(others)).toEqual({ a: 1, lost: 1 });
    expect(names()).toEqual(["a"]);
  });

  it("ask the guard again before they are repeated", async () => {
    let owner = true;
    const commit = new GroupCommit({
      db,
      guard: () => {
        if (!owner) throw new LonghaulError("ENGINE_FENCED", "another process owns the file");
      },
    });

    const kept = commit.submit((tx) => tx.run(insert, "a"), { mayRepeat: true });
    const failing = commit.submit(() => {
      owner = false;
      throw new Error("no");
    }, { mayRepeat: true });

    expect((await Promise.allSettled([kept, failing])).map((end) => end.status === "rejected" && (end.reason as { code?: string }).code)).toEqual(["ENGINE_FENCED", "ENGINE_FENCED"]);
    expect(names()).toEqual([]);
  });
});

describe("a job that goes on though the disk was full", () => {
  it("takes its group with it: nothing is written behind a transaction that the file has ended", async () => {
    const commit = new GroupCommit({ db });
    db.exec(`PRAGMA max_page_count = ${Number(db.get("PRAGMA page_count")?.["page_count"])}`);
    const first = commit.submit((tx) => {
      try {
        tx.run(insert, "x".repeat(100_000));
      } catch {
        // As if nothing had happened.
      }
    }, { mayRepeat: true });
    const second = commit.submit((tx) => tx.run(insert, "second"), { mayRepeat: true });

    expect((await Promise.allSettled([first, second])).map((end) => end.status)).toEqual(["rejected", "rejected"]);
    expect(names()).toEqual([]);
  });
});

describe("a job that fails", () => {
  it("takes its own rows with it and nobody else's", async () => {
    const commit = new GroupCommit({ db });

    const before = add(commit, "before");
    const failing = commit.submit((tx) => {
      tx.run(insert, "lost");
      throw new LonghaulError("BUDGET_EXCEEDED", "no");
    });
    const after = add(commit, "after");

    await expect(failing).rejects.toMatchObject({ code: "BUDGET_EXCEEDED" });
    await Promise.all([before, after]);
    expect(names()).toEqual(["before", "after"]);
  });

  it("is isolated when SQLite refuses its statement, too", async () => {
    const commit = new GroupCommit({ db });

    const ends = await Promise.allSettled([add(commit, "same"), add(commit, "same"), add(commit, "other")]);

    expect(ends.map((end) => end.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(names()).toEqual(["same", "other"]);
  });

  it("is rolled back when it rejects after awaiting microtasks", async () => {
    const commit = new GroupCommit({ db });

    const failing = commit.submit(async (tx) => {
      tx.run(insert, "lost");
      await Promise.resolve();
      throw new Error("late");
    });
    const other = add(commit, "kept");

    await expect(failing).rejects.toThrow("late");
    await other;
    expect(names()).toEqual(["kept"]);
  });
});

describe("a job that awaits", () => {
  it("commits when all that it awaits settles in microtasks", async () => {
    const commit = new GroupCommit({ db });

    await commit.submit(async (tx) => {
      for (const name of ["a", "b", "c"]) {
        await Promise.resolve();
        tx.run(insert, name);
      }
    });

    expect(names()).toEqual(["a", "b", "c"]);
  });

  it("is refused and rolled back when it awaits the outside, without its neighbours", async () => {
    const commit = new GroupCommit({ db });

    const outside = commit.submit(async (tx) => {
      tx.run(insert, "lost");
      await macrotask();
      await macrotask();
    });
    const neighbour = add(commit, "kept");

    await expect(outside).rejects.toMatchObject({ code: "TRANSACTION_AWAIT" });
    await neighbour;
    expect(names()).toEqual(["kept"]);
  });

  it("is refused when it waits for a commit of its own, instead of waiting for ever", async () => {
    const commit = new GroupCommit({ db });

    const nested = commit.submit(() => add(commit, "inner"));

    await expect(nested).rejects.toMatchObject({ code: "TRANSACTION_AWAIT" });
    await commit.close();
    expect(names()).toEqual(["inner"]);
  });
});

describe("the guard", () => {
  it("refuses all jobs of its group before any of them runs", async () => {
    let owned = false;
    let ran = 0;
    const commit = new GroupCommit({
      db,
      guard: () => {
        if (!owned) throw new LonghaulError("ENGINE_FENCED", "Another process took over.");
      },
    });

    const ends = await Promise.allSettled([1, 2].map(() => commit.submit(() => void ran++)));
    owned = true;
    await add(commit, "mine again");

    expect(ends.map((end) => end.status === "rejected" && (end.reason as LonghaulError).code)).toEqual(["ENGINE_FENCED", "ENGINE_FENCED"]);
    expect(ran).toBe(0);
    expect(names()).toEqual(["mine again"]);
  });

  it("sees the database inside the transaction that it guards", async () => {
    const seen: boolean[] = [];
    const commit = new GroupCommit({ db, guard: (tx) => void seen.push(tx.inTransaction) });

    await add(commit, "a");

    expect(seen).toEqual([true]);
  });
});

describe("close", () => {
  it("commits what was queued and refuses what comes later", async () => {
    const commit = new GroupCommit({ db });

    const queued = add(commit, "queued");
    const closing = commit.close();
    const refused = add(commit, "refused");

    await expect(refused).rejects.toMatchObject({ code: "ENGINE_CLOSED" });
    await closing;
    await expect(queued).resolves.toBe("queued");
    expect(names()).toEqual(["queued"]);
    expect(commit.isIdle).toBe(true);
  });

  it("returns at once when nothing is queued, and may be called twice", async () => {
    const commit = new GroupCommit({ db });

    await commit.close();
    await commit.close();

    expect(commit.isIdle).toBe(true);
  });
});

it("is idle only while nothing is queued or being flushed", async () => {
  const commit = new GroupCommit({ db });
  const seen = [commit.isIdle];

  const done = commit.submit(() => void seen.push(commit.isIdle));
  seen.push(commit.isIdle);
  await done;
  await macrotask();

  expect([...seen, commit.isIdle]).toEqual([true, false, false, true]);
});
