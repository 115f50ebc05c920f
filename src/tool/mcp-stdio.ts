import { type ChildProcess, spawn } from "node:child_process";
import type { JSONRPCMessage, Transport } from "@modelcontextprotocol/client";
import { type Clock, sleep } from "../base/clock.ts";
import type { ChildLedger } from "./child-ledger.ts";
import { LineSplitter } from "./line-splitter.ts";
import { messageBytesMax } from "./mcp-http.ts";
import { TextRing } from "./text-ring.ts";

/** How long a child and what it started may take to end after its stdin was closed, and again after SIGTERM; then they are killed. */
const endGraceMs = 2_000;
/** Processes that their parent left behind tell nobody that they end: they are looked for so often. */
const groupLookMs = 50;
/** How long the output of a child that has exited is waited for. */
const outputGraceMs = 500;
const stderrBytesMax = 8_192;
/** Of what a child writes to stdout and is no message, so much is kept for people. */
const strayLengthMax = 200;

export interface StdioTransportOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | undefined;
  readonly clock: Clock;
  /** Makes a message of a line. Throws when it is none. */
  readonly parse: (line: string) => JSONRPCMessage;
  readonly children: ChildLedger | undefined;
}

/**
 * Speaks MCP with a child process that it owns.
 *
 * 1. The child leads a process group of its own: Ctrl-C in the terminal reaches Longhaul, which drains while the child still answers.
 * 2. `close` returns within three times `endGraceMs`, by the injected clock, and the whole group is killed if it has not ended by itself: what the child started, too.
 * 3. What the child wrote last to stderr is kept, and nothing that it writes can fill our memory or block it.
 * 4. Lines of stdout that are no message are left out, and the first is kept; one that does not end ends the connection.
 */
export class StdioTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: NonNullable<Transport["onmessage"]>;
  readonly #options: StdioTransportOptions;
  readonly #stderr = new TextRing(stderrBytesMax);
  readonly #lines = new LineSplitter(messageBytesMax);
  #strays = 0;
  #firstStray = "";
  #child: ChildProcess | null = null;
  #exited: Promise<void> = Promise.resolve();
  #closedWhy: string | null = null;
  /** True when it ended because one message was too large. */
  overflowed = false;

  constructor(options: StdioTransportOptions) {
    this.#options = options;
  }

  /** What the child wrote last to stderr. */
  get stderrText(): string {
    return this.#stderr.text;
  }

  /** What it wrote to stdout and is no message, for people: "2,000 lines, the first: …"; empty when there is none. */
  get strayText(): string {
    return this.#strays === 0 ? "" : `${this.#strays} ${this.#strays === 1 ? "line" : "lines"} that are no message, the first: ${JSON.stringify(this.#firstStray)}`;
  }

  /** Why the connection ended, in words; null while it has not. */
  get closedWhy(): string | null {
    return this.#closedWhy;
  }

  start(): Promise<void> {
    const { command, args, env, cwd, children } = this.#options;
    return new Promise((resolve, reject) => {
      const child = spawn(command, [...args], { env: { ...env }, cwd, stdio: ["pipe", "pipe", "pipe"], detached: true });
      this.#child = child;
      if (child.pid !== undefined) children?.began(child.pid);
      this.#exited = new Promise((exited) => {
        child.once("exit", () => exited());
        child.once("error", () => {
          if (child.pid === undefined) exited();
        });
      });
      child.once("spawn", resolve);
      child.on("error", (error) => {
        reject(error);
        this.onerror?.(error);
      });
      child.once("exit", (code, signal) => this.#endAfterOutput(child, signal === null ? `its process ended with exit code ${code}` : `its process was ended by ${signal}`));
      child.stdin.on("error", (error) => this.onerror?.(error));
      child.stdout.on("error", (error) => this.onerror?.(error));
      child.stderr.on("error", (error) => this.onerror?.(error));
      child.stdout.on("data", (chunk: Buffer) => this.#read(chunk));
      child.stderr.on("data", (chunk: Buffer) => this.#stderr.append(chunk));
    });
  }

  send(message: JSONRPCMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      const stdin = this.#child?.stdin;
      if (this.#closedWhy !== null || !stdin?.writable) {
        reject(new Error(`the server cannot be written to: ${this.#closedWhy ?? "its stdin is closed"}`));
        return;
      }
      stdin.write(`${JSON.stringify(message)}\n`, (error) => (error ? reject(error) : resolve()));
    });
  }

  async close(): Promise<void> {
    this.#end("it was closed");
    const child = this.#child;
    if (child === null) return;
    child.stdin?.end();
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      if (await this.#endsInTime(child)) break;
      signalGroup(child, signal);
    }
    await this.#endsInTime(child);
    // Processes that left the group may hold the pipes open; ours must not keep the event loop busy.
    for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe?.destroy();
    if (child.pid !== undefined) this.#options.children?.ended(child.pid);
  }

  #read(chunk: Buffer): void {
    if (this.#closedWhy !== null) return;
    for (const line of this.#lines.take(chunk)) this.#readLine(line);
    if (!this.#lines.isOver || this.#closedWhy !== null) return;
    // What follows is the rest of a line that was not kept: nothing after it can be understood.
    const beginning = this.#lines.beginning(strayLengthMax).toString("utf8");
    this.overflowed = beginning.startsWith("{");
    if (!this.overflowed) this.#noteStray(beginning);
    this.#end(`it sent a ${this.overflowed ? "message" : "line, no message,"} of more than ${messageBytesMax} bytes, beginning with ${JSON.stringify(beginning)}`);
  }

  #readLine(line: string): void {
    if (this.#closedWhy !== null || line.trim() === "") return;
    let message: JSONRPCMessage;
    try {
      message = this.#options.parse(line);
    } catch {
      // Servers log to stdout by mistake; what they mean to say comes on lines of their own.
      this.#noteStray(line);
      return;
    }
    this.onmessage?.(message);
  }

  #noteStray(text: string): void {
    this.#strays++;
    if (this.#strays === 1) this.#firstStray = Buffer.from(text.slice(0, strayLengthMax)).toString("utf8");
  }

  /** What the child wrote just before it exited is still read, unless others hold its stdout open. */
  #endAfterOutput(child: ChildProcess, why: string): void {
    const timer = this.#options.clock.setTimer(outputGraceMs, () => this.#end(why));
    child.once("close", () => {
      timer.cancel();
      this.#end(why);
    });
  }

  #end(why: string): void {
    if (this.#closedWhy !== null) return;
    this.#closedWhy = why;
    this.onclose?.();
  }

  /** Whether the child and all that it started have ended, after at most `endGraceMs`. */
  async #endsInTime(child: ChildProcess): Promise<boolean> {
    const { clock } = this.#options;
    const untilMs = clock.monotonicMs() + endGraceMs;
    if (!(await this.#exitsInTime())) return false;
    while (isGroupThere(child)) {
      if (clock.monotonicMs() >= untilMs) return false;
      await sleep(clock, groupLookMs);
    }
    return true;
  }

  async #exitsInTime(): Promise<boolean> {
    const stop = new AbortController();
    const late = sleep(this.#options.clock, endGraceMs, stop.signal).then(() => false, () => true);
    const exited = this.#exited.then(() => true);
    const inTime = await Promise.race([exited, late]);
    stop.abort();
    return inTime;
  }
}

/** The number of a group is given to no other process while one of it is there. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is gone, or may not be signalled; the child alone is the next best.
    child.kill(signal);
  }
}

function isGroupThere({ pid }: ChildProcess): boolean {
  if (pid === undefined) return false;
  try {
    return process.kill(-pid, 0);
  } catch {
    // None of it is left, or none that is ours to end.
    return false;
  }
}
