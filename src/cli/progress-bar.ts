import type { CommandContext } from "./command-context.ts";

export interface ProgressBar {
  readonly show: (ratio: number) => void;
  /** Takes the bar off the terminal. */
  readonly end: () => void;
}

const width = 30;

/** A bar on standard error, where that is a terminal; nothing elsewhere and under `--json`. */
export function createProgressBar(what: string, { isJson, columns }: Pick<CommandContext["output"], "isJson" | "columns">, stderr: { readonly isTTY?: boolean; write(text: string): unknown } = process.stderr): ProgressBar {
  if (isJson || columns === null || stderr.isTTY !== true) return { show: () => undefined, end: () => undefined };
  return {
    show(ratio) {
      const full = Math.round(ratio * width);
      stderr.write(`\r${what} [${"#".repeat(full)}${" ".repeat(width - full)}] ${Math.round(ratio * 100)} %`);
    },
    end: () => void stderr.write("\r\u001B[K"),
  };
}
