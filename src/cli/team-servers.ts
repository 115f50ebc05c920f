import { readFileSync, rmSync, writeFileSync } from "node:fs";
import type { Clock } from "../base/clock.ts";
import { isLonghaulError } from "../base/error.ts";
import type { ApiOptions } from "../http/api.ts";
import { type App, type RunningServer, serveOnPort, serveOnSocket } from "../http/server.ts";
import type { DataDirectory } from "../runtime/data-directory.ts";
import type { LiveTeam } from "../runtime/live-team.ts";

/** Free on most machines. */
const defaultPort = 7117;

export interface TeamServersOptions {
  readonly team: Pick<LiveTeam, "operations" | "isReady">;
  readonly directory: DataDirectory;
  /** False where several processes may share a data directory: commands reach none of them by it. */
  readonly hasSocket: boolean;
  readonly token: string;
  /** Null: the default port, or any free one when that is taken. */
  readonly port: number | null;
  readonly clock: Clock;
}

export interface TeamServers {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves a team on loopback and on the control socket of its data directory, and says in `endpoint.json` where.
 * @throws {OPTION_INVALID} when the port that was asked for is taken.
 */
export async function openTeamServers({ team, directory, hasSocket, token, port, clock }: TeamServersOptions): Promise<TeamServers> {
  const common = { operations: team.operations, clock, isReady: team.isReady };
  const socket = hasSocket ? await serveOnSocket(apiWith({ ...common, token: null, source: "cli" }), directory.socket) : null;
  let server: RunningServer;
  try {
    server = await servePort(apiWith({ ...common, token, source: "api" }), port);
  } catch (error) {
    await socket?.close();
    throw error;
  }
  const endpoint = `${JSON.stringify({ url: server.address })}\n`;
  writeFileSync(directory.endpoint, endpoint);
  return {
    url: server.address,
    async close() {
      removeIfOurs(directory.endpoint, endpoint);
      await Promise.all([server.close(), socket?.close()]);
    },
  };
}

/** A process that took over meanwhile has written its own address there. */
function removeIfOurs(path: string, text: string): void {
  try {
    if (readFileSync(path, "utf8") === text) rmSync(path, { force: true });
  } catch {
    // Gone already, or not ours to remove: nobody is misled.
  }
}

function apiWith(options: ApiOptions): App {
  return async () => (await import("../http/api.ts")).createApi(options);
}

async function servePort(app: App, port: number | null): Promise<RunningServer> {
  if (port !== null) return serveOnPort(app, { port });
  try {
    return await serveOnPort(app, { port: defaultPort });
  } catch (error) {
    if (!isLonghaulError(error)) throw error;
    return serveOnPort(app, { port: 0 });
  }
}
