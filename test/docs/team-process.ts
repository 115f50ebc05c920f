import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { compiledFolder } from "../fixture/compiled.ts";

const root = join(import.meta.dirname, "..", "..");
const fromSource = ["--conditions=longhaul-source"];

/** A program that runs. */
export interface RunningProgram {
  /** What it wrote to its output. */
  readonly lines: readonly string[];
  /** What it wrote to its standard error. */
  readonly errors: readonly string[];
  /** Resolves with the first line that contains `text`. Rejects when the program ends before. */
  said(text: string): Promise<string>;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  signal(signal: NodeJS.Signals): void;
}

const compiled = { NODE_COMPILE_CACHE: compiledFolder };

/** Runs a TypeScript file of this repository, from source, with no variables of ours but these. */
export function runFile(file: string, args: readonly string[] = [], environment: Readonly<Record<string, string>> = {}): RunningProgram {
  const child = spawn(process.execPath, [...fromSource, file, ...args], { cwd: root, env: { ...compiled, ...environment }, stdio: ["ignore", "pipe", "pipe"] });
  const lines: string[] = [];
  const errors: string[] = [];
  const listeners = new Set<() => void>();
  const tell = (): void => {
    for (const listener of listeners) listener();
  };
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    tell();
  });
  createInterface({ input: child.stderr }).on("line", (line) => void errors.push(line));
  let hasEnded = false;
  // A test that gives up before it has this program in hand leaves nothing behind.
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  const ended = once(child, "close").then(([code, signal]) => {
    process.removeListener("exit", kill);
    hasEnded = true;
    tell();
    return (code ?? signal) as number | NodeJS.Signals;
  });
  return {
    lines,
    errors,
    ended,
    said: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const line = lines.find((candidate) => candidate.includes(text));
          if (line === undefined && !hasEnded) return;
          listeners.delete(look);
          if (line === undefined) reject(new Error(`${file} ended without saying "${text}". It said:\n${[...lines.slice(-20), ...errors.slice(-20)].join("\n")}`));
          else resolve(line);
        };
        listeners.add(look);
        look();
      }),
    signal: (signal) => void child.kill(signal),
  };
}

/** `longhaul <args>`. */
export function runLonghaul(args: readonly string[], environment: Readonly<Record<string, string>> = {}): RunningProgram {
  return runFile("src/cli/main.ts", args, environment);
}

/** `longhaul start`, once it is there to be asked. */
export async function startTeam(file: string, dataDirectory: string, environment: Readonly<Record<string, string>> = {}): Promise<RunningProgram> {
  const team = runLonghaul(["start", file, "--data", dataDirectory, "--port", "0", "--json"], environment);
  await team.said('"event":"started"');
  return team;
}
