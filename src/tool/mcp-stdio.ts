import { type ChildProcess, spawn } from "node:child_process";
import type { JSONRPCMessage, ReadBuffer, Transport } from "@modelcontextprotocol/client";
import { type Clock, sleep } from "../base/clock.ts";
import { thrownText } from "./result.ts";
import { TextRing } from "./text-ring.ts";

/** How long a child may take to end after its stdin was closed, and again after SIGTERM; then it is killed. */
const endGraceMs = 2_000;
/** How long the output of a child that has exited is waited for. */
const outputGraceMs = 500;
const stderrBytesMax = 8_192;

export interface StdioTransportOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | undefined;
  readonly clock: Clock;
  /** Splits the child's stdout into messages and refuses one over its limit. */
  readonly readBuffer: ReadBuffer;
}

/**
 * Speaks MCP with a child process that it owns.
 *
 * 1. The child leads a process group of its own: Ctrl-C in the terminal reaches Longhaul, which drains while the child still answers.
 * 2. `close` returns within three times `endGraceMs`, by the injected clock, and the whole group is killed if it has not ended by itself.
 * 3. What the child wrote last to stderr is kept, and nothing that it writes can fill our memory or block it.
 */
export class StdioTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: NonNullable<Transport["onmessage"]>;
  readonly #options: StdioTransportOptions;
  readonly #stderr = new TextRing(stderrBytesMax);
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

  /** Why the connection ended, in words; null while it has not. */
  get closedWhy(): string | null {
    return this.#closedWhy;
  }

  start(): Promise<void> {
    const { command, args, env, cwd } = this.#options;
    return new Promise((resolve, reject) => {
      const child = spawn(command, [...args], { env: { ...env }, cwd, stdio: ["pipe", "pipe", "pipe"], detached: true });
      this.#child = child;
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
      if (await this.#exitsInTime()) break;
      killGroup(child, signal);
    }
    await this.#exitsInTime();
    // Processes that outlived their parent may hold the pipes open; ours must not keep the event loop busy.
    for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe?.destroy();
  }

  #read(chunk: Buffer): void {
    const { readBuffer } = this.#options;
    try {
      readBuffer.append(chunk);
    } catch (error) {
      // What follows is the rest of a message that was not kept: nothing after it can be understood.
      this.overflowed = true;
      this.#end(`it sent a message that is too large (${thrownText(error)})`);
      return;
    }
    while (this.#closedWhy === null) {
      try {
        const message = readBuffer.readMessage();
        if (message === null) return;
        this.onmessage?.(message);
      } catch (error) {
        this.onerror?.(error instanceof Error ? error : new Error(String(error)));
      }
    }
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

  async #exitsInTime(): Promise<boolean> {
    const stop = new AbortController();
    const late = sleep(this.#options.clock, endGraceMs, stop.signal).then(() => false, () => true);
    const exited = this.#exited.then(() => true);
    const inTime = await Promise.race([exited, late]);
    stop.abort();
    return inTime;
  }
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is gone, or may not be signalled; the child alone is the next best.
    child.kill(signal);
  }
}
