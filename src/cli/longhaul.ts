import { isSupervised } from "./supervisor/is-supervised.ts";
import { beforeVariable } from "./supervisor/worker-message.ts";

/** What `longhaul` runs: for `start` a supervisor, which runs this again as its worker, and for everything else the command line. */
const isWorker = process.env[beforeVariable] !== undefined && process.send !== undefined;
if (!isWorker && isSupervised(process.argv.slice(2))) {
  const { runSupervisor } = await import("./supervisor/supervisor-process.ts");
  process.exitCode = await runSupervisor();
} else {
  await import("./main.ts");
}
