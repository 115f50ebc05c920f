import type { ModelReference } from "../agent/model-reference.ts";
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { CommitWatch } from "../db/group-commit.ts";
import type { Model } from "../model/model.ts";
import type { InProcessMcpServer } from "../tool/mcp-connection.ts";
import type { ClusterPlace } from "./cluster-place.ts";
import type { LogRecord } from "../record/log-record.ts";
import type { WorkerEnd } from "../record/worker-end.ts";

export interface LiveTeamOptions {
  /** As it was imported: it is validated here. */
  readonly team: unknown;
  /** Where this process keeps what it has: everything, or on a cluster its token and its socket. Null: in memory, gone at close. For tests. */
  readonly dataDirectory: string | null;
  /** Where engine and store are, when several processes serve the team. Default: in the data directory. */
  readonly cluster?: ClusterPlace;
  readonly clock: Clock;
  readonly random: Random;
  readonly environment: (name: string) => string | undefined;
  /** Where the console notifier writes a line. */
  readonly print: (line: string) => void;
  /** Every record, after it is on disk. */
  readonly onRecord?: (record: LogRecord) => void;
  /** Called once when another process took over the data directory, or its file was deleted or replaced: this one has stopped working. */
  readonly onFenced?: (error: Error) => void;
  /** How long this process may be silent until another one takes over from it. Default 15 s. */
  readonly leaseMs?: number;
  /** Processes that worked on this team before, as their supervisor saw them end: this one records it and tells people. Default: none that is known of. */
  readonly workersBefore?: readonly WorkerEnd[];
  /** How full the file system of a data directory is, from 0 to 1; null when nobody knows. Default: what the system says. */
  readonly diskUsedRatio?: (directory: string) => number | null;
  /** Looks on at each commit of the data file. For tests. */
  readonly watchCommits?: CommitWatch;
  /** Answers instead of the provider, for references that it knows. For tests. */
  readonly modelFor?: (reference: ModelReference) => Model | null;
  /** By the name of an MCP server, what makes one in this process to speak to instead. For simulations. */
  readonly mcpServerFor?: (name: string) => (() => InProcessMcpServer) | null;
  /** False: the team's `backup` is left out. For simulations, which start no processes. */
  readonly makesBackups?: boolean;
}
