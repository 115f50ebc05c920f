import { mkdirSync, realpathSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** What the example is told by the environment, with its defaults. */
const packageFile = resolve(process.env["RELEASE_WATCH_PACKAGE"] ?? "package.json");
const digestDirectory = resolve(process.env["RELEASE_WATCH_DIGESTS"] ?? "digests");
mkdirSync(digestDirectory, { recursive: true });

export const settings = {
  /** The package.json whose dependencies are watched. */
  packageFile,
  projectDirectory: dirname(packageFile),
  /** Where digests are written; the file server may write nowhere else. */
  digestDirectory: realpathSync(digestDirectory),
  /** How often the registry is asked for news. */
  interval: (process.env["RELEASE_WATCH_INTERVAL"] ?? "15m") as `${number}m`,
  /** How long without accepted work until an agent is named: hollow, stalled, stuck-waiting. */
  progressWithin: (process.env["RELEASE_WATCH_PROGRESS_WITHIN"] ?? "24h") as `${number}h`,
  /** How long release_facts may take, all its questions to the registry together. */
  toolTimeout: (process.env["RELEASE_WATCH_TOOL_TIMEOUT"] ?? "45s") as `${number}s`,
  /** How long one answer of the registry may take. */
  registryTimeoutMs: Number(process.env["RELEASE_WATCH_REGISTRY_TIMEOUT_MS"] ?? 20_000),
  /** What the team may spend in a day, in dollars: seven tenths by the analyst, the rest by the editor. */
  dollarsPerDay: Number(process.env["RELEASE_WATCH_DOLLARS_PER_DAY"] ?? 0.5),
  /** Who is told when something is wrong, besides the terminal. */
  webhookUrl: process.env["RELEASE_WATCH_WEBHOOK"] ?? null,
} as const;
