import { isLonghaulError, LonghaulError } from "../base/error.ts";
import { dataDirectory } from "../runtime/data-directory.ts";
import { listOpenQuestions, type OpenQuestion, questionSource } from "../runtime/open-questions.ts";
import { openOperatorView, type OperatorView } from "../runtime/operator-view.ts";
import type { CommandContext } from "./command-context.ts";

type ViewContext = Pick<CommandContext, "data" | "store" | "clock" | "random">;

/**
 * Runs a reading command on the data of a team, whether it runs or not.
 * @throws {STORE_NOT_FOUND} saying what to type, when no team ever ran there.
 */
export async function withView<T>(context: ViewContext, body: (view: OperatorView) => Promise<T>): Promise<T> {
  const view = await open(context);
  try {
    return await body(view);
  } finally {
    await view.close();
  }
}

/** What waits for a person's word, the oldest first: of all runs, or of these. */
export function questionsOf(view: OperatorView, runIds?: readonly (string | null)[]): Promise<readonly OpenQuestion[]> {
  return listOpenQuestions(questionSource(view, view.store.records), runIds);
}

async function open({ data, store, clock, random }: ViewContext): Promise<OperatorView> {
  if (store !== null) return await (await import("../runtime/cluster-view.ts")).openClusterView({ store, clock, random });
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
  return new LonghaulError("STORE_NOT_FOUND", `No team has run with the data directory ${dataDirectory(data).path} yet. Type: longhaul start team.ts, or give the directory of another team with --data <dir>, or with --store <url> the database of one that is on a cluster.`, cause === undefined ? {} : { cause });
}
