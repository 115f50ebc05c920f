import { isLonghaulError, LonghaulError } from "../../base/error.ts";
import type { ComingWorker } from "./team-address.ts";

/** As Restate says it: somebody answered, or it did not come that far. */
const reasons = /got status code '(?<status>\d+)|error when calling '[^']*': (?<silence>.*)/s;

/** Why Restate finds no worker at an address, with the option that names it and what to do; `error` itself when it is about something else. */
export function noWorkerThere(error: unknown, { uri, isAdvertised }: Pick<ComingWorker, "uri" | "isAdvertised">, { admin, identityKeys }: { readonly admin: string; readonly identityKeys: readonly string[] }): unknown {
  const groups = isLonghaulError(error) ? reasons.exec(error.message)?.groups : undefined;
  if (groups === undefined) return error;
  const { status, silence } = groups;
  if (status === "401" && identityKeys.length > 0) {
    const are = identityKeys.length === 1 ? "is not the public key" : "are no public keys";
    return new LonghaulError("OPTION_INVALID", `--identity-key ${identityKeys.join(", ")} ${are} of the Restate at ${admin}, whose call to ${uri} was refused with 401: give the one that this Restate names when it starts.`, { cause: error });
  }
  const reason = silence ?? `it is answered with ${status}`;
  const text = isAdvertised
    ? `--advertise is ${uri}, and Restate finds no worker there (${reason}): give the address under which Restate reaches this team's workers.`
    : `Restate finds no worker at ${uri}, where this one listens (${reason}): give --listen an address that Restate reaches, or --advertise the one under which it reaches this worker.`;
  return new LonghaulError("ENGINE_UNREACHABLE", text, { retry: "backoff", cause: error });
}
