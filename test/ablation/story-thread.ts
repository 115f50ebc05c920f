import { parentPort, workerData } from "node:worker_threads";
import { installVirtualAmbient } from "../../src/base/ambient/install-virtual-ambient.ts";
import { seededRandom } from "../../src/base/random.ts";
import { VirtualClock } from "../../src/base/virtual-clock.ts";
import { skewedClock } from "../reliability/skewed-clock.ts";
import type { Life } from "./life.ts";
import type { StoryMessage, StoryRequest } from "./story-message.ts";

// The thread of a story: its time, chance and network are virtual before anything foreign is imported, so that the AI SDK's own timers obey.

const request = workerData as StoryRequest;
const clock = new VirtualClock();
const skew = { ms: 0 };
const current: { life: Life | null } = { life: null };
const fetch: typeof globalThis.fetch = (input, init) => (current.life === null ? new Promise<Response>(() => undefined) : current.life.fetch(input, init));
installVirtualAmbient({
  clock: skewedClock(clock, () => skew.ms),
  random: seededRandom(`ablation ${request.seed}/ambient`),
  fetch,
  refuse: (what) => new Error(`The story does not reach the real world: it tried to ${what}.`),
});
parentPort?.unref();

const { Story } = await import("./story.ts");
const message: StoryMessage = await new Story(request, { clock, skew, current }).tell().then(
  (end) => ({ kind: "done", end }) as const,
  (error: unknown) => ({ kind: "failed", message: error instanceof Error ? (error.stack ?? error.message) : String(error) }) as const,
);
parentPort?.postMessage(message);
