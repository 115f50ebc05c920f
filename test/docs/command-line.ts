import { type Command, CommanderError } from "commander";
import { createProgram } from "../../src/cli/program.ts";
import { systemClock } from "../../src/base/clock.ts";
import { type Page, listBlocks } from "./markdown.ts";

/** The program as it is, whose commands do nothing. */
export function createInertProgram(): Command {
  const program = createProgram({
    version: "0.0.0",
    clock: systemClock,
    isInteractive: false,
    context: () => {
      throw new Error("no command runs here");
    },
    onExitCode: () => undefined,
  });
  const silent = { writeOut: () => undefined, writeErr: () => undefined };
  for (const command of [program, ...program.commands]) command.exitOverride().configureOutput(silent);
  for (const command of program.commands) command.action(() => undefined);
  return program;
}

/** What the program says against a command line; null when it takes it. */
export async function refuse(words: readonly string[]): Promise<string | null> {
  if (words.includes("--help") || words.includes("--version")) return null;
  try {
    await createInertProgram().parseAsync([...words], { from: "user" });
    return null;
  } catch (error) {
    if (error instanceof CommanderError) return error.message;
    throw error;
  }
}

const shellLanguages = ["sh", "bash", "console", "text", ""];
const otherPrograms = ["|", "||", "&", "&&", ";", ">", ">>"];

export interface CommandLine {
  /** What stands after `longhaul`. */
  readonly line: string;
  /** False: mentioned in a sentence, where the name of a command alone stands for the command. */
  readonly isToBeTyped: boolean;
}

/** Every `longhaul …` of a page: lines of its shell blocks, and code in its sentences. */
export function listCommandLines({ text }: Page): readonly CommandLine[] {
  const blocks = listBlocks(text).filter(({ language }) => shellLanguages.includes(language));
  const prose = text.replace(/^```[^]*?^```$/gm, "");
  const typed = blocks.flatMap((block) => block.text.split("\n"));
  const mentioned = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code);
  const find = (line: string, isToBeTyped: boolean): readonly CommandLine[] => {
    const command = /^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:npx )?longhaul ([a-z-].*)$/.exec(line.trim())?.[1];
    return command === undefined ? [] : [{ line: command, isToBeTyped }];
  };
  return [...typed.flatMap((line) => find(line, true)), ...mentioned.flatMap((line) => find(line, false))];
}

/** The words of a line as a shell would see them, without a comment, and without other programs after a pipe. */
export function splitWords(line: string): readonly string[] {
  const words: string[] = [];
  for (const [token, double, single] of line.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|[^\s"']+/g)) {
    if (double === undefined && single === undefined && (token.startsWith("#") || otherPrograms.includes(token))) break;
    words.push(double?.replaceAll('\\"', '"') ?? single ?? token);
  }
  return words;
}
