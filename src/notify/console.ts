import { LonghaulError, messageOf } from "../base/error.ts";
import { headlineOf } from "./headline.ts";
import type { Notifier } from "./notify.ts";

export interface ConsoleOptions {
  /** Is given whole lines without their end; may be asynchronous. */
  readonly write: (text: string) => void | Promise<void>;
}

/** Writes a notification as a headline with its time and indented text. Characters that steer a terminal are replaced. */
export function consoleNotifier({ write }: ConsoleOptions): Notifier {
  return {
    name: "console",
    async send(notification, signal) {
      signal.throwIfAborted();
      const lines = [`${new Date(notification.atMs).toISOString()} ${headlineOf(notification)}`, ...notification.text.split("\n").map((line) => `  ${line}`)];
      try {
        await write(lines.map((line) => printable(line)).join("\n"));
      } catch (error) {
        throw new LonghaulError("NOTIFY_FAILED", `Notifier console: writing failed: ${messageOf(error)}. Check where its output goes. The message is tried again.`, { retry: "backoff", cause: error });
      }
    },
  };
}

/** Text of agents may hold escape sequences that would rewrite what a person sees. */
function printable(line: string): string {
  return line.replaceAll(/[\p{Cc}\p{Bidi_Control}]/gu, (character) => (character === "\t" ? character : "\uFFFD"));
}
