import { readFileSync } from "node:fs";
import { join } from "node:path";
import { defineAgent, every, type RunContext, type TransactionScope } from "longhaul";
import { z } from "zod";
import { digest } from "./digest.ts";
import { openRegistry } from "./npm-registry.ts";
import type { Release } from "./release.ts";
import { settings } from "./settings.ts";

/** Releases of one scan: each becomes a child of one run. The rest wait for the next scan and are counted. */
const releasesPerScanMax = 45;
/** Questions to the registry at once. */
const questionsAtOnce = 8;

interface Dependency {
  readonly name: string;
  /** The lowest version that the range in package.json allows; null for "latest" and the like. */
  readonly version: string | null;
}
interface Found {
  readonly latest: readonly Release[];
  readonly unanswered: readonly string[];
}

/** Reads package.json, asks the registry for the latest releases, and starts one digest for those that it has not seen. */
export const scout = defineAgent({
  name: "scout",
  triggers: [every(settings.interval, { atStart: true })],
  output: z.object({ checked: z.number(), news: z.number(), unanswered: z.array(z.string()) }),
  verify: ({ output, accept, reject }) => (output.checked > 0 ? accept({ checked: output.checked }) : reject(`the registry answered for no package: ${output.unanswered[0] ?? "no dependencies in package.json"}`)),
  run: async (ctx) => {
    const dependencies = await ctx.step("read package.json", () => readDependencies(settings.packageFile));
    const found = await ctx.step("ask the registry", ({ signal }) => findLatest(dependencies, signal));
    const news = await ctx.transaction("compare with what was seen", (tx) => takeNews(tx, found.latest, ctx.now()));
    if (news.releases.length > 0) await startDigest(ctx, news);
    const wait = found.unanswered.length > 0 ? `; no answer for ${found.unanswered.length}: ${found.unanswered.slice(0, 3).join(", ")}` : "";
    await ctx.note(news.releases.length === 0 ? `Checked ${found.latest.length} packages: nothing new${wait}.` : `Checked ${found.latest.length} packages: ${news.releases.length} releases to look at${wait}.`);
    return { checked: found.latest.length, news: news.releases.length, unanswered: [...found.unanswered] };
  },
});

interface News {
  readonly releases: readonly Release[];
  readonly waiting: number;
}

/** What was seen is a table, not luck: a release counts as seen in the same commit that decides to look at it. */
async function takeNews(tx: TransactionScope, latest: readonly Release[], nowMs: number): Promise<News> {
  await tx.run("CREATE TABLE IF NOT EXISTS release_watch_seen (package TEXT PRIMARY KEY, version TEXT NOT NULL, seen_at_ms BIGINT NOT NULL)");
  const rows = await tx.all("SELECT package, version FROM release_watch_seen");
  const seen = new Map(rows.map((row) => [String(row["package"]), String(row["version"])]));
  const fresh = latest.filter((release) => seen.get(release.package) !== release.version);
  const releases = fresh.slice(0, releasesPerScanMax).map((release) => ({ ...release, previousVersion: seen.get(release.package) ?? release.previousVersion }));
  for (const release of releases) {
    await tx.run("INSERT INTO release_watch_seen (package, version, seen_at_ms) VALUES (?, ?, ?) ON CONFLICT (package) DO UPDATE SET version = excluded.version, seen_at_ms = excluded.seen_at_ms", release.package, release.version, nowMs);
  }
  return { releases, waiting: fresh.length - releases.length };
}

async function startDigest(ctx: RunContext, news: News): Promise<void> {
  const at = new Date(ctx.now()).toISOString();
  const date = at.slice(0, 10);
  // The name of the file is derived from the scan: whoever writes it again, writes the same file.
  const id = `${date}-${at.slice(11, 19).replaceAll(":", "")}-${ctx.runId.slice(-4)}`;
  await ctx.send(digest, { id, date, path: join(settings.digestDirectory, `${id}.md`), releases: [...news.releases], waiting: news.waiting }, { key: `digest/${id}` });
}

async function findLatest(dependencies: readonly Dependency[], signal: AbortSignal): Promise<Found> {
  const registry = await openRegistry(settings.projectDirectory);
  const latest: Release[] = [];
  const unanswered: string[] = [];
  const queue = [...dependencies];
  const ask = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { name, version } = next;
      try {
        latest.push({ package: name, version: await registry.latest(name, signal), previousVersion: version });
      } catch (error) {
        signal.throwIfAborted();
        unanswered.push(`${name} (${error instanceof Error ? error.message : String(error)})`);
      }
    }
  };
  await Promise.all(Array.from({ length: questionsAtOnce }, ask));
  return { latest: latest.toSorted((a, b) => a.package.localeCompare(b.package)), unanswered };
}

const dependencyField = z.record(z.string(), z.string()).default({});
const packageJson = z.looseObject({ dependencies: dependencyField, devDependencies: dependencyField, optionalDependencies: dependencyField });

function readDependencies(file: string): readonly Dependency[] {
  const { dependencies, devDependencies, optionalDependencies } = packageJson.parse(JSON.parse(readFileSync(file, "utf8")));
  const all = Object.entries({ ...optionalDependencies, ...devDependencies, ...dependencies });
  // A range with a colon or a slash (file:, git+ssh://, workspace:, npm:, owner/repo) is not a release of this name in the registry.
  return all.filter(([, range]) => !/[:/]/.test(range)).map(([name, range]) => ({ name, version: /\d+\.\d+\.\d+(?:-[\w.]+)?/.exec(range)?.[0] ?? null }));
}
