import type { ModelReference } from "../../agent/model-reference.ts";
import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import type { Model } from "../../model/model.ts";
import type { HealthVerdict } from "../../record/health.ts";
import type { Operations } from "../../runtime/operations.ts";
import type { LiveTeamOptions } from "../../runtime/live-team-options.ts";

/** Answers the requests that go to a host. */
export type HostHandler = (request: Request) => Response | Promise<Response>;

/** What surrounds a team in a simulation. Everything that is not in it does not exist. */
export interface World {
  /** By host, or by host and port: "api.anthropic.com", "127.0.0.1:9000". */
  readonly hosts?: Readonly<Record<string, HostHandler>>;
  /** By the name of the MCP server in the team: makes the server, anew for each connection. */
  readonly mcpServers?: Readonly<Record<string, InProcessServers>>;
  /** Answers instead of the provider, for references that it knows. */
  readonly modelFor?: (reference: ModelReference) => Model | null;
  /** What people and applications do meanwhile. It need not end before the simulation does. */
  readonly during?: (team: SimulatedTeam) => Promise<void>;
}

type InProcessServers = NonNullable<ReturnType<NonNullable<LiveTeamOptions["mcpServerFor"]>>>;

/** The team as people see it while it is simulated. */
export interface SimulatedTeam {
  readonly operations: Operations;
  readonly clock: Clock;
  health(): Promise<readonly HealthVerdict[]>;
}

export interface WorldContext {
  readonly clock: Clock;
  /** Chance of the world's own, which does not disturb the team's. Split it for each part. */
  readonly random: Random;
}

/** The export `world` of a simulated module. */
export type CreateWorld = (context: WorldContext) => World | Promise<World>;
