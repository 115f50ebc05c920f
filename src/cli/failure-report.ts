import { errorCodes } from "../base/error-code.ts";
import { isLonghaulError, LonghaulError, messageOf } from "../base/error.ts";
import type { ExitCode } from "./command-context.ts";
import type { Output } from "./output.ts";
import { printable } from "./printable.ts";
import { toSystemFailure } from "./system-failure.ts";

export interface FailureReport {
  readonly exitCode: 1 | 2;
  /** For people. */
  readonly lines: readonly string[];
  /** For programs. */
  readonly json: { readonly error: { readonly code: string; readonly message: string; readonly remedy: string; readonly stack?: string } };
}

/** The command line cannot be understood: exit code 2. @throws {CLI_USAGE} */
export function usageError(message: string, cause?: unknown): LonghaulError {
  return new LonghaulError("CLI_USAGE", message, cause === undefined ? {} : { cause });
}

const bugRemedy = "This is a bug of longhaul. Please report it with the lines above.";

/** Tells why a command failed; returns what it ends with. */
export function tellFailure(output: Output, error: unknown): ExitCode {
  const { exitCode, lines, json } = toFailureReport(error);
  // Each text by itself: a path may hold what stands for something else in JSON.
  if (output.isJson) output.warn(JSON.stringify({ error: Object.fromEntries(Object.entries(json.error).map(([name, text]) => [name, output.placed(text)])) }));
  else output.warn(`${output.style("red", "error:")} ${lines[0] ?? ""}`, ...lines.slice(1));
  return exitCode;
}

/** How a command's failure is told: a coded error with what to type next, a bug with its stack. */
export function toFailureReport(error: unknown): FailureReport {
  const refused = toSystemFailure(error);
  if (refused !== null) {
    const { message, remedy } = refused;
    return { exitCode: 1, lines: [`${printable(message)} [SYSTEM_REFUSED]`, `  Next: ${remedy}`], json: { error: { code: "SYSTEM_REFUSED", message, remedy } } };
  }
  if (!isLonghaulError(error)) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { exitCode: 1, lines: [printable(stack), bugRemedy], json: { error: { code: "BUG", message: messageOf(error), remedy: bugRemedy, stack } } };
  }
  const { remedy } = errorCodes[error.code];
  const [first = "", ...rest] = printable(error.message).split("\n");
  // Messages end with what to do; a command to type is added where they name none.
  // A team's file that failed with an error of its own was found: there is no other path to give.
  const isOwnFailure = error.code === "TEAM_NOT_LOADED" && error.cause !== undefined;
  const hints = error.code !== "CLI_USAGE" && !isOwnFailure && remedy.includes("`") && !/`|Type: /.test(error.message) ? [`  Next: ${remedy}`] : [];
  return {
    exitCode: error.code === "CLI_USAGE" ? 2 : 1,
    lines: [`${first} [${error.code}]`, ...rest, ...hints],
    json: { error: { code: error.code, message: error.message, remedy } },
  };
}
