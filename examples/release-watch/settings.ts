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
  interval: (process.env["RELEASE_WATCH_INTERVAL"] ?? "15m") as `${number}m`,
  /** How long without accepted work until an agent is called hollow. */
  progressWithin: (process.env["RELEASE_WATCH_PROGRESS_WITHIN"] ?? "24h") as `${number}h`,
  webhookUrl: process.env["RELEASE_WATCH_WEBHOOK"] ?? null,
} as const;
