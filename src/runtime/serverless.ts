// The door `longhaul/serverless`: a team behind a fetch handler that Restate calls.
import type { TeamDefinition } from "../agent/team-definition.ts";
import { assertTeam } from "../agent/validate-team.ts";
import { systemClock } from "../base/clock.ts";
import { describeValue } from "../base/describe-value.ts";
import { LonghaulError } from "../base/error.ts";
import { systemRandom } from "../base/random.ts";
import { isWebAddress } from "../base/web-address.ts";
import { executeTask } from "../run/execute-task.ts";
import { toEngineAgents } from "./start-parts.ts";
import { openParts } from "./team-parts.ts";

/** What a team behind a fetch handler needs. */
export interface ServerlessOptions {
  /** As `defineTeam` returns it. */
  readonly team: TeamDefinition;
  /** PostgreSQL where the team is: `postgres://user:password@host:5432/database`. */
  readonly store: string;
  /** Where Restate takes work: "http://restate:8080". */
  readonly restateIngress: string;
  /** Public keys of the Restate that may call; whoever else calls is refused. "anybody": the address cannot be reached by others. */
  readonly identityKeys: readonly string[] | "anybody";
  /** Where secrets and the keys of providers are looked up, such as `process.env`. Default: nowhere. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Takes what goes wrong outside of any run, a line each. Default: console.error. */
  readonly print?: (line: string) => void;
}

/** A team that executes while a request of Restate is under way, and not between two. */
export interface ServerlessTeam {
  /** Answers one request of Restate. */
  readonly fetch: (request: Request) => Promise<Response>;
  close(): Promise<void>;
}

/**
 * Opens a team behind a fetch handler. Its runs are in memory while a request is; waits, deadlines, schedules and alerts fall due by a worker,
 * `longhaul start --advertise <the handler's address>`, which also makes the address known to Restate.
 * @throws {TEAM_INVALID} {OPTION_INVALID} {SECRET_MISSING} {ENGINE_DRIVER_MISSING} {STORE_UNREACHABLE} {STORE_VERSION}
 */
export async function serveTeam({ team, store, restateIngress, identityKeys, environment = {}, print = console.error }: ServerlessOptions): Promise<ServerlessTeam> {
  if (identityKeys !== "anybody" && identityKeys.length === 0) throw new LonghaulError("OPTION_INVALID", 'identityKeys is empty: nothing tells Restate\'s calls from those of others. Give Restate\'s public key, or "anybody" where nobody else reaches the handler.');
  if (!isWebAddress(restateIngress)) throw new LonghaulError("OPTION_INVALID", `restateIngress is ${describeValue(restateIngress)}, not http://host:port. Use, for instance, http://restate:8080.`);
  const parts = await openParts(assertTeam(team), {
    team, print,
    dataDirectory: null,
    clock: systemClock,
    random: systemRandom,
    environment: (name) => environment[name],
    // Nobody listens: Restate's requests come by the handler.
    cluster: { store, restate: { ingress: restateIngress, admin: restateIngress }, isWorker: false, listen: { host: "127.0.0.1", port: 0 }, identityKeys: identityKeys === "anybody" ? [] : identityKeys },
  });
  const { data, workers, services, tools } = parts;
  const close = async (): Promise<void> => {
    await data.engine.drain(0);
    await tools.close();
    parts.storage.close();
    await data.close();
  };
  try {
    if (data.shared === null) throw new Error("a cluster is shared");
    return { fetch: await data.shared.serve(toEngineAgents(workers), (context) => executeTask(services, context)), close };
  } catch (error) {
    await close();
    throw error;
  }
}
