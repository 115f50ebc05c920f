import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import type { Clock, Timer } from "../../base/clock.ts";
import { plainClock } from "../../base/plain-clock.ts";
import type { WorkerEnd } from "../../record/worker-end.ts";
import type { ServiceManager } from "./service-manager.ts";
import { beginSupervision, type Decision, describeRestarting, type Instant, superviseWorker, type SupervisorAction, type SupervisorEvent, type SupervisorState, untilNextLookMs } from "./supervise-worker.ts";
import { beforeVariable, isWorkerMessage, type RecycleMessage, type StopMessage } from "./worker-message.ts";

const passedOn = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Of a worker's environment: what systemd said is for its supervisor. */
const withoutServiceManager = { NOTIFY_SOCKET: undefined, WATCHDOG_USEC: undefined, WATCHDOG_PID: undefined };

/**
 * Runs this same command line as a worker, and another one when that ends without having been asked to. Resolves with the exit code of the whole. It lives
 * beside the team for months, so it loads nothing that a team needs, and what only some need when they do: each module takes half a megabyte.
 */
export async function runSupervisor(clock: Clock = plainClock): Promise<number> {
  const serviceManager = process.env["NOTIFY_SOCKET"] === undefined ? null : await openServiceManager();
  const watchParent = process.env["npm_command"] === undefined ? null : (await import("../watch-parent.ts")).watchParent;
  let stopWatching: () => void = () => undefined;
  const exitCode = await new Promise<number>((resolve) => {
    const supervisor = new Supervisor({ clock, serviceManager, onExit: resolve });
    stopWatching = watchParent?.(clock, () => supervisor.ask("SIGTERM")) ?? stopWatching;
    supervisor.begin();
  });
  stopWatching();
  return exitCode;
}

async function openServiceManager(): Promise<ServiceManager> {
  const { ServiceManager } = await import("./service-manager.ts");
  return new ServiceManager({ environment: (name) => process.env[name], warn: say });
}

interface SupervisorOptions {
  readonly clock: Clock;
  readonly serviceManager: ServiceManager | null;
  readonly onExit: (exitCode: number) => void;
}

class Supervisor {
  readonly #options: SupervisorOptions;
  #state: SupervisorState | null = null;
  #worker: ChildProcess | null = null;
  #timer: Timer | null = null;
  #isOver = false;
  /** What stands in the data directory, and what comes to stand there. */
  #noted = "null";
  #noting: Promise<void> = Promise.resolve();

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  begin(): void {
    for (const signal of passedOn) process.on(signal, () => this.ask(signal));
    this.#apply(beginSupervision(this.#instant()));
  }

  /** Asks for the end of the team. */
  ask(signal: StopMessage["signal"]): void {
    this.#on({ type: "asked", signal });
  }

  #on(event: SupervisorEvent): void {
    if (this.#state !== null && !this.#isOver) this.#apply(superviseWorker(this.#state, event, this.#instant()));
  }

  #apply({ state, actions }: Decision): void {
    this.#state = state;
    for (const action of actions) this.#act(action);
    const { clock, serviceManager } = this.#options;
    serviceManager?.show(this.#state, this.#instant());
    this.#note(this.#state);
    // What was done may have led to a decision of its own, which has set the timer.
    this.#timer?.cancel();
    if (!this.#isOver) this.#timer = clock.setTimer(untilNextLookMs(this.#state, this.#instant()), () => this.#on({ type: "tick" }));
  }

  #note(state: SupervisorState): void {
    const { noteFile } = state;
    const restarting = describeRestarting(state);
    const text = JSON.stringify(restarting);
    if (noteFile === null || text === this.#noted) return;
    this.#noted = text;
    const { nowMs, wallMs } = this.#instant();
    this.#noting = this.#noting.then(async () => {
      const [{ removeRestartNote, writeRestartNote }, { systemProcess }] = await Promise.all([import("../../runtime/restart-note.ts"), import("../../base/process.ts")]);
      if (restarting === null) removeRestartNote(noteFile);
      else writeRestartNote(noteFile, { ...restarting, restartAtMs: restarting.restartAtMs === null ? null : wallMs + restarting.restartAtMs - nowMs }, systemProcess());
    }).catch(() => {
      // A full disk, or a module that is not where it was: people are told less, and the team goes on.
    });
  }

  #act(action: SupervisorAction): void {
    switch (action.type) {
      case "start":
        this.#start(action.before);
        return;
      case "signal":
        this.#worker?.kill(action.signal);
        return;
      case "stop":
        this.#tell({ type: "stop", signal: action.signal }, action.signal);
        return;
      case "recycle":
        this.#tell({ type: "recycle", reason: action.reason });
        return;
      case "say":
        say(action.text);
        return;
      case "exit":
        this.#isOver = true;
        this.#options.onExit(action.exitCode);
    }
  }

  #start(before: readonly WorkerEnd[]): void {
    const env = { ...process.env, ...withoutServiceManager, [beforeVariable]: JSON.stringify(before) };
    const onFailed = (error: unknown): void => this.#on({ type: "failed", message: error instanceof Error ? error.message : String(error) });
    let worker: ChildProcess;
    try {
      worker = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], { stdio: ["inherit", "inherit", "inherit", "ipc"], env });
    } catch (error) {
      // Of most of what the system says, such as that there is no memory; of the rest it emits an error.
      onFailed(error);
      return;
    }
    if (worker.pid === undefined) {
      worker.once("error", onFailed);
      return;
    }
    this.#follow(worker, worker.pid);
  }

  #follow(worker: ChildProcess, pid: number): void {
    this.#worker = worker;
    this.#on({ type: "started", pid });
    worker.on("message", (message) => {
      if (this.#worker === worker && isWorkerMessage(message)) this.#on({ type: "message", message });
    });
    // It may still be emitted when a signal cannot be sent; how the worker ends is told apart from it.
    worker.on("error", (error) => say(`Trouble with the worker (process ${pid}): ${error.message}`));
    worker.once("exit", (exitCode, signal) => {
      if (this.#worker !== worker) return;
      this.#worker = null;
      if (signal !== null) void giveTerminalBack();
      this.#on({ type: "ended", exitCode, signal, signalNumber: signal === null ? 0 : process.getBuiltinModule("node:os").constants.signals[signal] });
    });
  }

  /** A worker that is gone by now cannot be told, and its end is about to be heard of. One whose channel the team's code closed is sent a signal instead, if there is one. */
  #tell(message: RecycleMessage | StopMessage, otherwise: NodeJS.Signals | null = null): void {
    const worker = this.#worker;
    worker?.send(message, (error) => {
      if (error !== null && otherwise !== null) worker.kill(otherwise);
    });
  }

  #instant(): Instant {
    return { nowMs: this.#options.clock.monotonicMs(), wallMs: this.#options.clock.now() };
  }
}

let isListening = false;

function say(text: string): void {
  if (!isListening) {
    isListening = true;
    // A terminal that went away, a log that nobody reads any more or whose disk is full: the team goes on.
    process.stderr.on("error", () => undefined);
  }
  process.stderr.write(`longhaul: ${text}\n`);
}

/** The worker read the keyboard key by key; killed, it could not put that back. */
async function giveTerminalBack(): Promise<void> {
  if (!process.getBuiltinModule("node:tty").isatty(0)) return;
  try {
    const { isForeground } = await import("../../base/foreground.ts");
    if (isForeground()) spawnSync("stty", ["sane"], { stdio: ["inherit", "ignore", "ignore"] });
  } catch {
    // The module is not where it was when this process began, or there is no memory: the team goes on with a terminal that is not put right.
  }
}
