import { parentPort, workerData } from "node:worker_threads";
import { installVirtualAmbient } from "../../base/ambient/install-virtual-ambient.ts";
import { assert } from "../../base/assert.ts";
import { LonghaulError } from "../../base/error.ts";
import { seededRandom } from "../../base/random.ts";
import { VirtualClock } from "../../base/virtual-clock.ts";
import { createVirtualFetch } from "./virtual-fetch.ts";
import type { SimulationMessage, SimulationPlan } from "./simulation-message.ts";
import type { HostHandler } from "./world.ts";

// The thread of a simulation. Whatever is imported here statically is ours and reads no ambient time; the rest comes after the ambient is virtual.

const refusalsMax = 100;

const plan = workerData as SimulationPlan;
const port = parentPort;
assert(port !== null, "the thread of a simulation was started without a parent");
const clock = new VirtualClock(plan.startAtMs);
const random = seededRandom(plan.seed);
const refused = new Set<string>();
let hosts: Readonly<Record<string, HostHandler>> = {};

const refuse = (what: string): LonghaulError => {
  if (refused.size < refusalsMax) refused.add(what);
  return new LonghaulError("SIMULATION_REAL_IO", `A simulation does not reach the real world: its code tried to ${what}. Give its world a handler in \`hosts\`, or a server in \`mcpServers\`.`);
};
installVirtualAmbient({ clock, random: random.split("ambient"), fetch: createVirtualFetch(() => hosts, refuse), refuse });

// Whoever waits for us asks what we wait for. The port must not keep the thread alive: its idleness is how time goes on.
port.on("message", () => port.postMessage({ kind: "awaiting", resources: process.getActiveResourcesInfo().filter((name) => name !== "MessagePort") } satisfies SimulationMessage));
port.unref();

const { runSimulation } = await import("./run-simulation.ts");
const message = await runSimulation(plan, { clock, random, refused, setHosts: (given) => void (hosts = given) });
port.postMessage(message);
