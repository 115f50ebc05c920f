import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { TeamDefinition } from "../../agent/team-definition.ts";
import { messageOf } from "../../base/error.ts";
import type { Json } from "../../base/json.ts";
import type { OperatorView } from "../../runtime/operator-view.ts";
import { usageError } from "../failure-report.ts";
import type { Check } from "./check.ts";
import { describeTeam } from "./describe-team.ts";
import { createBundleRedactor } from "./redact-bundle.ts";
import { type TarEntry, toTar } from "./tar.ts";

export interface BundleOptions {
  readonly file: string;
  readonly nowMs: number;
  readonly version: string;
  readonly checks: readonly Check[];
  readonly team: TeamDefinition | null;
  /** Null: there is no data, or it cannot be read. */
  readonly view: OperatorView | null;
  /** Null: on a cluster. */
  readonly directory: string | null;
  /** Takes known secrets out. */
  readonly redact: <T extends Json>(value: T) => T;
}

export const bundleLimits = { records: 2_000, fileBytes: 4_000_000 } as const;

/** Writes what somebody needs who is to find out what is wrong. Returns what is in it. @throws {CLI_USAGE} when the file exists. */
export async function writeBundle(options: BundleOptions): Promise<{ readonly bytes: number; readonly files: readonly string[] }> {
  const { file, nowMs } = options;
  if (existsSync(file)) throw usageError(`${file} exists already. Give another name for the bundle.`);
  const entries = await collect(options);
  const bytes = gzipSync(toTar([{ name: "README.txt", text: readme(entries) }, ...entries], nowMs));
  writeFileSync(file, bytes, { mode: 0o600, flag: "wx" });
  return { bytes: bytes.length, files: entries.map(({ name }) => name) };
}

async function collect({ checks, team, view, directory, version, redact, nowMs }: BundleOptions): Promise<readonly TarEntry[]> {
  const clean = createBundleRedactor(redact);
  const toEntry = (name: string, value: Json): TarEntry => ({ name, text: cut(`${JSON.stringify(clean(value), null, 2)}\n`) });
  const own = [
    toEntry("doctor.json", { at: new Date(nowMs).toISOString(), checks: checks.map((check) => ({ ...check })) }),
    toEntry("versions.json", { longhaul: version, platform: process.platform, arch: process.arch, ...(process.versions as Readonly<Record<string, string>>) }),
    ...(directory === null ? [] : [toEntry("files.json", listFiles(directory))]),
    ...(team === null ? [] : [toEntry("team.json", describeTeam(team))]),
  ];
  if (view === null) return own;
  const ask = async (name: string, body: () => Promise<Json>): Promise<TarEntry> => {
    try {
      return toEntry(name, await body());
    } catch (error) {
      return toEntry(name, { failed: messageOf(error) });
    }
  };
  return [
    ...own,
    await ask("manifest.json", async () => (await view.manifest()) as unknown as Json),
    await ask("health.json", async () => (await view.health(nowMs)) as unknown as Json),
    await ask("counts.json", () => countRows(view)),
    await ask("outbox.json", async () => (await view.store.outbox.list()).slice(-outboxMax).map(({ id, notifier, state, queuedAtMs, endedAtMs, lastError }) => ({ id, notifier, state, queuedAtMs, endedAtMs, lastError }))),
    await ask("schema.json", async () => (await view.store.query(directory === null ? "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_name LIKE 'lh%'" : "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")).rows as Json),
    { name: "records.jsonl", text: await collectRecords(view, clean) },
  ];
}

const outboxMax = 200;

const counts: Readonly<Record<string, string>> = {
  tasks: "SELECT agent, status, waiting_reason, count(*) AS n FROM lh_task GROUP BY agent, status, waiting_reason ORDER BY n DESC LIMIT 500",
  records: "SELECT event_type, result, count(*) AS n FROM lh_record GROUP BY event_type, result ORDER BY n DESC LIMIT 500",
};

async function countRows(view: OperatorView): Promise<Json> {
  const entries = await Promise.all(Object.entries(counts).map(async ([name, sql]) => [name, (await view.store.query(sql)).rows.map((row) => Object.fromEntries(Object.entries(row).map(([column, value]) => [column, typeof value === "bigint" ? Number(value) : (value as Json)])))] as const));
  return Object.fromEntries(entries);
}

/** The last ones, as many as fit. */
async function collectRecords(view: OperatorView, clean: (value: Json) => Json): Promise<string> {
  const records = await view.store.records.query({ limit: bundleLimits.records });
  const lines: string[] = [];
  let bytes = 0;
  for (const { record } of records.toReversed()) {
    const line = `${JSON.stringify(clean(record as unknown as Json))}\n`;
    bytes += Buffer.byteLength(line);
    if (bytes > bundleLimits.fileBytes) break;
    lines.push(line);
  }
  return lines.toReversed().join("");
}

function listFiles(directory: string): Json {
  if (!existsSync(directory)) return [];
  return readdirSync(directory).slice(0, 200).flatMap((name) => {
    const stats = statSync(join(directory, name), { throwIfNoEntry: false });
    return stats === undefined ? [] : [{ name, bytes: stats.size, changedAt: stats.mtime.toISOString(), mode: (stats.mode & 0o777).toString(8) }];
  });
}

function cut(text: string): string {
  return text.length <= bundleLimits.fileBytes ? text : `${text.slice(0, bundleLimits.fileBytes)}\n… cut\n`;
}

function readme(entries: readonly TarEntry[]): string {
  return [
    "What longhaul doctor --bundle collected.",
    "",
    ...entries.map(({ name, text }) => `${name}  ${text.length} characters`),
    "",
    "Blanked out: values of secrets that the team or the environment names, what looks like a key or a password, the values of headers and of environments,",
    "and of fields that are named like a secret, and of addresses all but the host. Texts are cut after 300 characters. Prompts, outputs of tasks and the data file itself are not in here.",
    "Arguments of tools and reasons of errors are: look through records.jsonl before you send it.",
    "",
  ].join("\n");
}
