import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** A folder with all that one team of this example needs and leaves behind. */
export interface TeamFolder {
  readonly dataDirectory: string;
  readonly digestDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
}

export interface TeamFolderOptions {
  readonly folder: string;
  readonly registryUrl: string;
  readonly simulatorUrl: string;
  /** The package.json that is watched. */
  readonly dependencies: Readonly<Record<string, string>>;
}

const root = join(import.meta.dirname, "..", "..", "..");
const program = join(root, "bin", "longhaul.js");
const teamFile = join(root, "examples", "release-watch", "team.ts");
/** What could lead the team to the user's own registry, proxy, provider or settings. */
const foreignVariables = /^(npm_|anthropic_|openai_|release_watch_|longhaul_|node_options$|(https?|all|no)_proxy$|proxy$)/i;

/** Lays the folder out. The team that runs there reaches the given registry and provider only. */
export function createTeamFolder({ folder, registryUrl, simulatorUrl, dependencies }: TeamFolderOptions): TeamFolder {
  const [project, data, digests] = ["project", "data", "digests"].map((name) => join(folder, name)) as [string, string, string];
  for (const path of [project, data, digests]) mkdirSync(path, { recursive: true });
  writeFileSync(join(project, "package.json"), `${JSON.stringify({ name: "watched", private: true, dependencies }, null, 2)}\n`);
  const inherited = Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined && !foreignVariables.test(entry[0]));
  return {
    dataDirectory: data,
    digestDirectory: digests,
    environment: {
      ...Object.fromEntries(inherited),
      npm_config_registry: registryUrl,
      npm_config_userconfig: join(folder, "npmrc"),
      npm_config_globalconfig: join(folder, "global-npmrc"),
      npm_config_cache: join(folder, "npm-cache"),
      npm_config_fetch_retry_mintimeout: "100",
      RELEASE_WATCH_SIMULATOR: `${simulatorUrl}/v1`,
      RELEASE_WATCH_PACKAGE: join(project, "package.json"),
      RELEASE_WATCH_DIGESTS: digests,
    },
  };
}

/** The digests by file name. */
export function readDigests({ digestDirectory }: TeamFolder): ReadonlyMap<string, string> {
  const files = readdirSync(digestDirectory).filter((file) => file.endsWith(".md"));
  return new Map(files.toSorted().map((file) => [file, readFileSync(join(digestDirectory, file), "utf8")]));
}

/** A running `longhaul start`. */
export interface TeamProcess {
  readonly pid: number;
  /** Lines of both its outputs so far. */
  readonly lines: readonly string[];
  /** Resolves with the first line that contains `text`. Rejects when the process ends before. */
  said(text: string): Promise<string>;
  /** How it ended: its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  signal(signal: NodeJS.Signals): void;
  hasEnded(): boolean;
}

/** Starts the team as one process that nobody starts again: who kills it wants to start it again. `flags` are more of its flags. */
export function startTeam(folder: TeamFolder, environment: Readonly<Record<string, string>> = {}, flags: readonly string[] = []): TeamProcess {
  const child = spawn(process.execPath, [program, "start", teamFile, "--no-supervisor", "--data", folder.dataDirectory, "--port", "0", "--plain", ...flags], {
    cwd: root,
    env: { ...folder.environment, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  const listeners = new Set<() => void>();
  const ended = waitForEnd(child, listeners);
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      for (const listener of listeners) listener();
    });
  }
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  return {
    pid: child.pid ?? 0,
    lines,
    ended,
    hasEnded,
    said: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const line = lines.find((candidate) => candidate.includes(text));
          if (line === undefined && !hasEnded()) return;
          listeners.delete(look);
          if (line === undefined) reject(new Error(`The team ended without saying "${text}". It said:\n${lines.slice(-20).join("\n")}`));
          else resolve(line);
        };
        listeners.add(look);
        look();
      }),
    signal: (signal) => void child.kill(signal),
  };
}

async function waitForEnd(child: ChildProcess, listeners: ReadonlySet<() => void>): Promise<number | NodeJS.Signals> {
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  for (const listener of listeners) listener();
  return code ?? signal ?? 0;
}

/** One `longhaul` command on the team's data, running or not: its lines of JSON. Commands say by their exit code what they found; that is no failure here. */
export function askTeam({ dataDirectory, environment }: TeamFolder, command: readonly string[]): Promise<readonly Readonly<Record<string, unknown>>[]> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program, ...command, "--data", dataDirectory, "--json"], { cwd: root, env: environment, maxBuffer: 100_000_000 }, (error, stdout, stderr) => {
      if (error !== null && stdout === "") reject(new Error(`longhaul ${command.join(" ")}: ${stderr || error.message}`));
      else resolve(stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>));
    });
  });
}
