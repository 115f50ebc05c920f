import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { countMoves, countSections, type JournalState, type Query, readJournal } from "../../examples/release-watch/demo/figures.ts";
import { createTeamFolder, readDigests, startTeam, type TeamFolder, type TeamProcess } from "../../examples/release-watch/demo/team-process.ts";
import { type RecordedRegistry, serveRecordedRegistry } from "../../examples/release-watch/recorded-registry.ts";
import { simulatedModel } from "../../examples/release-watch/simulated-model.ts";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { SqliteDatabase } from "../../src/db/sqlite.ts";
import { createProviderSimulator, type Receipt, serveProviderSimulator } from "../../src/lab/provider/index.ts";

/** The team of examples/release-watch, with a registry, a provider and a folder of its own. Not running yet. */
export interface WatchedTeam {
  readonly folder: TeamFolder;
  readonly registry: RecordedRegistry;
  readonly query: Query;
  /** What the provider answered so far. */
  receipts(): readonly Receipt[];
  start(environment?: Readonly<Record<string, string>>): TeamProcess;
  journal(): Promise<JournalState>;
  digests(): ReadonlyMap<string, string>;
  /** All that lies where the digests are written, by name: another number after a file was put there again. */
  inodes(): ReadonlyMap<string, number>;
  /** How often each of these releases has a section in all digests together. */
  sections(releases: readonly { readonly package: string; readonly version: string }[]): ReadonlyMap<string, number>;
  moves(): Promise<ReadonlyMap<string, number>>;
  close(): Promise<void>;
}

/** Where the team's data is, and how `longhaul start` is told so. */
export interface TeamData {
  readonly flags: readonly string[];
  readonly query: Query;
  close(): Promise<void>;
}

export interface WatchedTeamOptions {
  readonly packages: readonly string[];
  /** How long each answer of the provider takes. */
  readonly latencyMs: number;
  /** Default: in its data directory. */
  readonly data?: TeamData;
}

export async function openWatchedTeam({ packages, latencyMs, data }: WatchedTeamOptions): Promise<WatchedTeam> {
  const path = mkdtempSync(join(tmpdir(), "longhaul-watch-"));
  const simulator = createProviderSimulator({ script: simulatedModel, faults: () => ({ kind: "latency", ms: latencyMs }) });
  const first = { version: "1.0.0", publishedAt: "2026-01-05T08:00:00.000Z", license: "MIT", dependencies: {} };
  const [provider, registry] = await Promise.all([serveProviderSimulator({ simulator }), serveRecordedRegistry({ packages: packages.map((name) => ({ name, versions: [first] })) })]);
  const dependencies = Object.fromEntries(packages.map((name) => [name, "^1.0.0"]));
  const folder = createTeamFolder({ folder: path, registryUrl: registry.url, simulatorUrl: provider.url, dependencies });
  const processes: TeamProcess[] = [];
  const place = data ?? dataFile(join(folder.dataDirectory, "longhaul.db"));
  const { flags, query } = place;
  const digests = (): ReadonlyMap<string, string> => readDigests(folder);
  return {
    folder, registry, query, digests,
    receipts: () => simulator.receipts(),
    start(environment = {}) {
      const started = startTeam(folder, { RELEASE_WATCH_INTERVAL: "1s", RELEASE_WATCH_DOLLARS_PER_DAY: "1000", ...environment }, flags);
      processes.push(started);
      return started;
    },
    journal: () => readJournal(query),
    // A file may be moved while it is looked at.
    inodes: () => new Map(readdirSync(folder.digestDirectory).flatMap((file) => {
      const found = statSync(join(folder.digestDirectory, file), { throwIfNoEntry: false });
      return found === undefined ? [] : [[file, found.ino] as const];
    })),
    sections: (releases) => countSections(releases, digests().values()),
    moves: () => countMoves(query),
    async close() {
      for (const started of processes) if (!started.hasEnded()) started.signal("SIGKILL");
      await Promise.all(processes.map(({ ended }) => ended));
      await Promise.all([provider.close(), registry.close(), place.close()]);
      rmSync(path, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function dataFile(path: string): TeamData {
  return {
    flags: [],
    async query(sql) {
      const db = SqliteDatabase.openReadOnly(path);
      try {
        return db.all(sql);
      } finally {
        db.close();
      }
    },
    close: async () => undefined,
  };
}

/** Publishes the next release of every package: news for the next scan. */
export function publishNext(registry: RecordedRegistry, minor: number): readonly { readonly package: string; readonly version: string }[] {
  for (const { package: name } of registry.latest()) {
    registry.publish(name, { version: `1.${minor}.0`, publishedAt: "2026-02-05T08:00:00.000Z", license: "MIT", dependencies: { [`needed-since-${minor}`]: "^1.0.0" } });
  }
  return registry.latest();
}

/** Waits until `look` is true. @throws with what it saw last when that took too long. */
export async function waitUntil(what: string, timeoutMs: number, look: () => boolean | Promise<boolean>, describe: () => string = () => "", pauseMs = 20): Promise<void> {
  const untilMs = systemClock.monotonicMs() + timeoutMs;
  while (!(await look())) {
    if (systemClock.monotonicMs() > untilMs) throw new Error(`${what}: not within ${timeoutMs} ms. ${describe()}`);
    await sleep(systemClock, pauseMs);
  }
}
