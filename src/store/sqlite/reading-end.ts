import { workerData } from "node:worker_threads";
import { systemClock } from "../../base/clock.ts";

/* A thread beside one that SQLite has: it ends the process when its time is over. */
systemClock.setTimer(workerData as number, () => process.kill(process.pid, "SIGKILL"));
