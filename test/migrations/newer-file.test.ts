import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, it } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { openLiveTeam } from "../../src/runtime/live-team.ts";
import { openOfflineTeam } from "../../src/runtime/offline-team.ts";
import { longhaul, teamFile } from "../e2e/fixture/longhaul.ts";
import { temporaryDirectory } from "../fixture/disk-team.ts";
import { recordedTeam } from "./fixture/recorded-team.ts";
import { readRecordings } from "./fixture/recording.ts";
import { loadSql } from "./fixture/sql-dump.ts";

/** The migration of a version that is yet to come. */
const future = "0900-engine";

let folder: ReturnType<typeof temporaryDirectory>;
let data: string;
let digest: string;
beforeEach(() => {
  folder = temporaryDirectory();
  data = join(folder.path, "data");
  mkdirSync(data);
  const file = join(data, "longhaul.db");
  loadSql(file, readRecordings().at(-1)?.sql ?? "");
  const db = new DatabaseSync(file);
  db.exec(`INSERT INTO lh_migration (name) VALUES ('${future}'); ALTER TABLE lh_task RENAME COLUMN status TO state; ALTER TABLE lh_record RENAME COLUMN event_type TO event;`);
  db.close();
  digest = digestOfFile();
});
afterEach(() => folder.remove());

function digestOfFile(): string {
  return createHash("sha256").update(readFileSync(join(data, "longhaul.db"))).digest("hex");
}

function expectUntouched(): void {
  expect(digestOfFile(), "the file is what it was, byte by byte").toBe(digest);
  // Whoever only reads leaves an empty log behind.
  expect(readdirSync(data).filter((name) => name.endsWith("-wal")).map((name) => statSync(join(data, name)).size).filter((bytes) => bytes > 0)).toEqual([]);
}

const refusal = { code: "STORE_VERSION", message: expect.stringMatching(new RegExp(`newer version of longhaul.*${future}.*Upgrade longhaul`)) as string };

it("is refused by openLiveTeam, which names what it does not know and what to do", async () => {
  const team = recordedTeam({ codeVersion: 1, isHeld: false, hookUrl: "http://127.0.0.1:9/" });
  const opened = openLiveTeam({ team, dataDirectory: data, clock: systemClock, random: seededRandom(1), environment: () => undefined, print: () => undefined });

  await expect(opened).rejects.toMatchObject(refusal);
  expectUntouched();
});

it("is refused by operations on a team that does not run", async () => {
  await expect(openOfflineTeam({ dataDirectory: data, clock: systemClock, random: seededRandom(1) })).rejects.toMatchObject(refusal);
  expectUntouched();
});

it.each([["start", teamFile], ["task", "echo", "{}"], ["cancel", "t_1"]])("is refused by longhaul %s", async (...args) => {
  const { exitCode, stdout, stderr } = await longhaul([...args, "--data", data, ...(args[0] === "start" ? ["--port", "0"] : [])]);

  expect(exitCode, `${stdout}${stderr}`).toBe(1);
  expect(stderr).toContain("STORE_VERSION");
  expect(stderr).toMatch(new RegExp(`newer version of longhaul[\\s\\S]*${future}[\\s\\S]*Upgrade longhaul`));
  expectUntouched();
});
