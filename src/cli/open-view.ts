import type { Clock } from "../base/clock.ts";
import { isLonghaulError, LonghaulError } from "../base/error.ts";
import { dataDirectory } from "../runtime/data-directory.ts";
import { openOperatorView, type OperatorView } from "../runtime/operator-view.ts";
import type { CommandContext } from "./command-context.ts";

/**
 * Runs a reading command on the data directory, whether its team runs or not.
 * @throws {STORE_NOT_FOUND} saying what to type, when no team ever ran there.
 */
export async function withView<T>({ data, clock }: Pick<CommandContext, "data" | "clock">, body: (view: OperatorView) => Promise<T>): Promise<T> {
  const view = open(data, clock);
  try {
    return await body(view);
  } finally {
    view.close();
  }
}

function open(data: string, clock: Clock): OperatorView {
  try {
    return openOperatorView(data, clock);
  } catch (error) {
    // A cause means that there is a file and it could not be read: its own message says why.
    if (isLonghaulError(error) && error.code === "STORE_NOT_FOUND" && error.cause === undefined) throw noTeamEver(data, error);
    throw error;
  }
}

/** No team ever ran on this data directory. */
export function noTeamEver(data: string, cause?: unknown): LonghaulError {
  return new LonghaulError("STORE_NOT_FOUND", `No team has run with the data directory ${dataDirectory(data).path} yet. Type: longhaul start team.ts, or give the directory of another team with --data <dir>.`, cause === undefined ? {} : { cause });
}
