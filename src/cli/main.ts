import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CommanderError } from "commander";
import { systemClock } from "../base/clock.ts";
import { isLonghaulError } from "../base/error.ts";
import { systemRandom } from "../base/random.ts";
import { tellFailure, toFailureReport, usageError } from "./failure-report.ts";
import { createOutput, type Output } from "./output.ts";
import { printable } from "./printable.ts";
import { createProgram } from "./program.ts";
import { findSupervisor } from "./supervisor-link.ts";
import { placeOf } from "./typed-command.ts";

const isJson = process.argv.includes("--json");
const supervisor = findSupervisor(systemClock);
/** True when the command failed for a reason that may pass: a database that does not answer, a full disk, a bug. */
let isTransient = false;

/** Runs the command line. Never rejects: what goes wrong is told, and becomes the exit code. */
async function main(): Promise<void> {
  const streams = { stdout: process.stdout, stderr: process.stderr, isJson, hasColors: process.stdout.isTTY && process.stdout.hasColors() && !process.env["NO_COLOR"] };
  const environment = (name: string): string | undefined => process.env[name];
  let output = createOutput(streams);
  const usage: string[] = [];
  const program = createProgram({
    version: readVersion(),
    clock: systemClock,
    isInteractive: process.stdin.isTTY && process.stdout.isTTY,
    context: ({ data, store = null }) => {
      output = createOutput({ ...streams, place: placeOf({ data, store, environment }) });
      return { output, data, store, clock: systemClock, random: systemRandom, environment, supervisor };
    },
    onExitCode: (exitCode) => {
      process.exitCode = exitCode;
    },
  });
  const configure = { writeErr: (text: string) => void usage.push(text), outputError: (text: string) => void usage.push(text) };
  for (const command of [program, ...program.commands]) command.configureOutput(configure).exitOverride();
  const command = process.argv.slice(2).find((argument) => program.commands.some((candidate) => candidate.name() === argument));
  surviveOutput(output, command === "start");
  try {
    await program.parseAsync();
  } catch (error) {
    report(output, error, { text: usage.join(""), help: command === undefined ? "longhaul --help" : `longhaul ${command} --help` });
  }
}

function report(output: Output, error: unknown, usage: { readonly text: string; readonly help: string }): void {
  if (error instanceof CommanderError && error.exitCode === 0) return;
  const isUsage = error instanceof CommanderError;
  if (!isUsage) {
    isTransient = !isLonghaulError(error) || error.retry !== "never";
    process.exitCode = tellFailure(output, error);
    return;
  }
  const { exitCode, json } = toFailureReport(usageError(usage.text.replace(/^error: /, "").trim() || error.message));
  process.exitCode = exitCode;
  if (output.isJson) output.warn(JSON.stringify(json));
  else output.warn(printable(usage.text).trim(), ...(error.code === "commander.help" ? [] : [`See: ${usage.help}`]));
}

/** Ends the process when everything is written, also when the team's own code left timers behind. */
function exit(): void {
  process.stdout.write("", () => process.stderr.write("", () => process.exit()));
}

/**
 * `longhaul logs | head` closes the pipe before the end, and a terminal may go away: there is nobody to tell. Of another failure, such as a full disk, a command says so and ends.
 * A running team goes on unseen, until its output can be written again.
 */
function surviveOutput(output: Output, goesOn: boolean): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (goesOn) return;
      if (stream === process.stdout && error.code !== "EPIPE" && error.code !== "EIO") process.exitCode = tellFailure(output, error);
      process.exit();
    });
  }
}

function readVersion(): string {
  const manifest = JSON.parse(readFileSync(join(import.meta.dirname, "..", "..", "package.json"), "utf8")) as { readonly version: string };
  return manifest.version;
}

await main();
await supervisor?.end({ type: "ends", isTransient });
exit();
