import { LonghaulError } from "../../base/error.ts";

/** An attempt that cannot go on, while Restate may take it for the one that does. It fails, so that Restate calls again. */
export class AttemptLost extends LonghaulError {
  constructor(runId: string) {
    super("ENGINE_UNREACHABLE", `This attempt of run ${runId} is over, and another one goes on. What it comes to is not applied.`, { retry: "backoff" });
  }
}
