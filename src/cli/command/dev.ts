import { type ChildProcess, spawn } from "node:child_process";
import { dirname, relative, resolve } from "node:path";
import type { CommandContext, ExitCode } from "../command-context.ts";
import { listenForStop } from "../stop-signal.ts";
import { watchSources } from "../watch-sources.ts";
import type { StartOptions } from "./start.ts";

/** How much longer than its drain a child may take before it is ended. */
const graceMs = 5_000;
/** What `start` ends with when it was asked to stop, at once, or when the command line is wrong: then beginning again is not wanted. */
const finalExitCodes: readonly ExitCode[] = [0, 130, 2];

/** Runs a team in a process of its own and begins anew when its code changes. A team that ended by an error waits for the next change. */
export async function runDev(context: CommandContext, file: string, options: StartOptions): Promise<ExitCode> {
  const { output } = context;
  const directory = dirname(resolve(file));
  const where = relative(process.cwd(), directory) || ".";
  const sources = watchSources({ directory, dataDirectory: context.data, clock: context.clock });
  let child: Child | null = null;
  const stop = listenForStop({ clock: context.clock, beforeEnd: () => child?.kill(), hasKeyboard: false });
  const asked = stop.asked.then((signal) => ({ by: "stop" as const, signal }));
  const nextChange = (): Promise<{ readonly by: "change"; readonly name: string }> => sources.next().then((name) => ({ by: "change", name }));
  try {
    let change = nextChange();
    for (;;) {
      child = startChild(context, file, options);
      const first = await Promise.race([asked, change, child.ended.then((code) => ({ by: "end" as const, code }))]);
      if (first.by === "stop") return await child.stop(context, options.drainMs, first.signal);
      if (first.by === "change") await child.stop(context, options.drainMs, null);
      else {
        if (finalExitCodes.includes(first.code)) return first.code;
        output.warn(output.style("yellow", `The team ended with ${first.code}. It begins again when code in ${where} changes; Ctrl-C ends this.`));
        const next = await Promise.race([asked, change]);
        if (next.by === "stop") return 0;
      }
      const { name } = await change;
      output.warn(output.style("dim", `${name} changed: begins again.`));
      change = nextChange();
    }
  } finally {
    sources.close();
    stop.release();
  }
}

interface Child {
  readonly ended: Promise<ExitCode>;
  /** Lets it drain; `signal` is what this process was asked to end by, null when the code changed. */
  stop(context: CommandContext, drainMs: number, signal: NodeJS.Signals | null): Promise<ExitCode>;
  kill(): void;
}

function startChild(context: CommandContext, file: string, { port, drainMs, isPlain }: StartOptions): Child {
  const flags = [
    ...(port === null ? [] : ["--port", String(port)]),
    ...(isPlain ? ["--plain"] : []),
    ...(context.output.isJson ? ["--json"] : []),
  ];
  const child: ChildProcess = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? "", "start", file, "--engine", "embedded", "--data", context.data, "--drain", String(drainMs), "--no-supervisor", ...flags], {
    stdio: "inherit",
    // A database and the engine of the data directory contradict each other; that dev does not use it has been said.
    env: { ...process.env, LONGHAUL_STORE: undefined },
  });
  const ended = new Promise<ExitCode>((resolveEnd, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolveEnd(code ?? 1));
  });
  return {
    ended,
    kill: () => void child.kill("SIGKILL"),
    async stop({ clock }, limitMs, signal) {
      // Ctrl-C on a terminal reaches the child too; a second signal would end it at once.
      if (!(signal === "SIGINT" && process.stdin.isTTY)) child.kill("SIGTERM");
      const timer = clock.setTimer(limitMs + graceMs, () => child.kill("SIGKILL"));
      const code = await ended;
      timer.cancel();
      return code;
    },
  };
}
