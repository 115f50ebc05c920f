import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sleep, systemClock } from "../src/base/clock.ts";
import { dataMigrations } from "../src/runtime/open-data.ts";
import { type DiskTeam, openDiskTeam, temporaryDirectory } from "../test/fixture/disk-team.ts";
import { recordedModel, recordedTeam, type RecordedTeamOptions, workerKinds } from "../test/migrations/fixture/recorded-team.ts";
import { digestsOf, recordedFolder } from "../test/migrations/fixture/recording.ts";
import { dumpSql } from "../test/migrations/fixture/sql-dump.ts";

// Records a data file of this version with a task in every state: `npm run record`. Until a version is released its recording is made anew when the format
// changes; from then on it stays as it is, and later versions are tested on it.

/** Nobody listens there: the message to people stays in the outbox. */
const hookUrl = "http://127.0.0.1:9/hook";
const outboxMsMax = 10_000;

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { readonly version: string };
const folder = temporaryDirectory();
try {
  const { sql, atMs } = await record(join(folder.path, "team"));
  mkdirSync(recordedFolder, { recursive: true });
  writeFileSync(join(recordedFolder, `${version}.sql`), sql);
  writeFileSync(join(recordedFolder, `${version}.json`), `${JSON.stringify({ atMs, migrations: digestsOf(dataMigrations) }, null, 2)}\n`);
  console.log(`Recorded ${version}: ${sql.split("\n").length} lines.`);
} finally {
  folder.remove();
}

async function record(directory: string): Promise<{ readonly sql: string; readonly atMs: number }> {
  const held: RecordedTeamOptions = { codeVersion: 1, isHeld: true, hookUrl };
  const first = await openDiskTeam(recordedTeam(held), { directory, model: recordedModel(true) });
  for (const [agent, key] of [["drifter", "parked"], ["mailer", "unknown-effect"], ["gone", "stranger"], ["gone", "queued-stranger"]] as const) await first.submit(agent, null, key);
  await first.settle();
  const second = await first.afterCrash({}, recordedTeam({ ...held, codeVersion: 2 }));
  // A run whose code was changed is parked when it had time to go on and did not.
  await second.advance(10_000);
  await bringIntoEveryState(second);
  const sql = dumpSql(join(`${directory}-after-${first.clock.now()}`, "longhaul.db"));
  const atMs = second.clock.now();
  await second.close();
  await first.close();
  return { sql: withoutMachine(sql), atMs };
}

async function bringIntoEveryState(team: DiskTeam): Promise<void> {
  const { operations } = team.live;
  for (const kind of workerKinds) await team.submit("worker", { kind }, kind);
  for (const [agent, key] of [["single", "slot"], ["single", "queued"], ["parent", "child"], ["writer", "reservation"], ["pauper", "budget"], ["mailer", "intent"]] as const) await team.submit(agent, null, key);
  await team.settle();
  const tasks = await team.live.tasks.list({});
  const taskOf = (key: string) => tasks.find((task) => task.key === key);
  await operations.cancel(taskOf("canceled")?.id ?? "", "not wanted any more");
  await operations.signal(taskOf("early-signal")?.runId ?? "", "answer", "early");
  await team.settle();
  for (let waitedMs = 0; (await team.records({ eventTypes: ["alert"] })).length === 0; waitedMs += 50) {
    if (waitedMs > outboxMsMax) throw new Error("the message to people was not tried");
    await sleep(systemClock, 50);
    await team.settle();
  }
}

/** Whoever owned the file is gone, and its machine is nobody's business. */
function withoutMachine(sql: string): string {
  const owner = sql.split("\n").find((line) => line.startsWith('INSERT INTO "lh_owner"'));
  if (owner === undefined) throw new Error("the file has no owner");
  const columns = [...owner.slice(0, owner.indexOf(") VALUES")).matchAll(/"(\w+)"/g)].slice(1).map(([, name]) => name);
  const values = owner.slice(owner.indexOf("VALUES (") + "VALUES (".length, -2).split(", ");
  const known: Readonly<Record<string, string>> = { pid: "4242", start_time: "'1'", boot_id: "'recorded'", pid_namespace: "'recorded'" };
  const scrubbed = values.map((value, index) => known[columns[index] ?? ""] ?? value);
  return sql.replace(owner, `${owner.slice(0, owner.indexOf("VALUES ("))}VALUES (${scrubbed.join(", ")});`);
}
