import { Worker } from "node:worker_threads";
import type { StoryEnd, StoryMessage, StoryRequest } from "./story-message.ts";

/** Tells one story in a thread of its own. */
export async function tell(request: StoryRequest): Promise<StoryEnd> {
  const worker = new Worker(new URL("./story-thread.ts", import.meta.url), { workerData: request, env: {}, execArgv: ["--conditions=longhaul-source"] });
  try {
    return await new Promise((resolve, reject) => {
      worker.on("message", (message: StoryMessage) => (message.kind === "done" ? resolve(message.end) : reject(new Error(message.message))));
      worker.on("error", reject);
      worker.on("exit", (code) => reject(new Error(`The thread of the story ended with ${code} before the story did.`)));
    });
  } finally {
    await worker.terminate();
  }
}
