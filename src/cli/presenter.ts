import type { LogRecord } from "../record/log-record.ts";

/** What `longhaul start` says before it works. */
export interface StartedInfo {
  readonly team: string;
  readonly agents: readonly string[];
  readonly dataDirectory: string;
  /** Where the data is, when it is not in the data directory. */
  readonly store: string | null;
  readonly url: string;
  /** Runs that an earlier end of the process had interrupted. */
  readonly resumed: number;
}

/** How a running team is shown: a live view, plain lines, or JSON lines. */
export interface Presenter {
  started(info: StartedInfo): void;
  record(record: LogRecord): void;
  /** A line of the console notifier, or of the program itself. */
  line(text: string): void;
  /** The team begins to stop. */
  draining(text: string): void;
  stopped(text: string, details: object): void;
  /** Gives the terminal back. */
  close(): void;
}

/** "release-watch: scout, analyst · data in … · http://127.0.0.1:7117" */
export function describeStart({ team, agents, dataDirectory, store, url, resumed }: StartedInfo): string {
  const resumedText = resumed === 0 ? [] : [`${resumed} interrupted ${resumed === 1 ? "run goes" : "runs go"} on`];
  return [`${team}: ${agents.join(", ")}`, `data in ${store ?? dataDirectory}`, url, ...resumedText].join(" · ");
}
