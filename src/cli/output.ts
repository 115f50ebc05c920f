import { styleText } from "node:util";
import type { Json } from "../base/json-type.ts";
import { placeCommands } from "./typed-command.ts";

type Style = Parameters<typeof styleText>[0];

/** What a command writes to: people's lines, or under `--json` nothing but JSON on standard output. */
export interface Output {
  readonly isJson: boolean;
  /** Width of the terminal; null where standard output is none. */
  readonly columns: number | null;
  /** Lines for people; nothing under `--json`. Commands in them are about the same team. */
  say(...lines: readonly string[]): void;
  /** Lines that others wrote, as they are; nothing under `--json`. */
  quote(...lines: readonly string[]): void;
  /** One JSON document or JSON line; nothing without `--json`. */
  data(value: unknown): void;
  /** Lines for people on standard error, also under `--json`. Commands in them are about the same team. */
  warn(...lines: readonly string[]): void;
  /** The text with each command in it as it is to be typed for the same team. */
  readonly placed: (text: string) => string;
  /** Colours, where the terminal shows them and NO_COLOR does not forbid them. */
  readonly style: (style: Style, text: string) => string;
}

/** A stream that is written to, as far as this part needs it. */
export interface OutputStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface OutputOptions {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly isJson: boolean;
  readonly hasColors: boolean;
  /** What commands that are advised need to be about the same team. Default: nothing. */
  readonly place?: string;
}

export function createOutput({ stdout, stderr, isJson, hasColors, place = "" }: OutputOptions): Output {
  const placed = (text: string): string => placeCommands(text, place);
  const quote = (...lines: readonly string[]): void => {
    if (!isJson) for (const line of lines) stdout.write(`${line}\n`);
  };
  return {
    isJson,
    get columns() {
      return stdout.isTTY === true ? (stdout.columns ?? 80) : null;
    },
    placed, quote,
    say: (...lines) => quote(...lines.map(placed)),
    data(value) {
      if (isJson) stdout.write(`${unseenEscaped(JSON.stringify(value))}\n`);
    },
    warn(...lines) {
      for (const line of lines) stderr.write(`${placed(line)}\n`);
    },
    style: (style, text) => (hasColors ? styleText(style, text, { validateStream: false }) : text),
  };
}

/** The same JSON: what steers a terminal in it, and `JSON.stringify` leaves, stands as an escape. */
function unseenEscaped(json: string): string {
  return json.replaceAll(/[\u007F-\u009F\p{Bidi_Control}]/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Indented JSON for people. */
export function prettyJson(value: Json): string {
  return JSON.stringify(value, null, 2);
}
