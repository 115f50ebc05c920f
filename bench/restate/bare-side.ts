import { createServer } from "node:http2";
import type { Socket } from "node:net";
import { createEndpointHandler, service, type Context } from "@restatedev/restate-sdk";
import { systemClock } from "../../src/base/clock.ts";
import { freePort } from "../../src/base/fixture/free-port.ts";
import { BareCommits } from "./bare-commit.ts";
import type { Place } from "./place.ts";
import { Stopwatch, type Side, type Times, type Workload } from "./workload.ts";

const longest = { hours: 24 };

interface Call {
  readonly run: number;
  readonly steps: number;
  readonly guards: boolean;
  readonly kept: boolean;
}

/** The limit: the same number of steps, by Restate's own SDK and nothing else, called over the same ingress. They do nothing, or make one commit that writes what a guard step writes. */
export async function openBareSide(place: Place): Promise<Side> {
  const { restate } = place;
  const commits = await BareCommits.open(place);
  let stopwatch = new Stopwatch(0);
  let executed = 0;
  const bare = service({
    name: "bare",
    options: { inactivityTimeout: longest, abortTimeout: longest, journalRetention: { milliseconds: 0 } },
    handlers: {
      async steps(context: Context, { run, steps, guards, kept }: Call) {
        const commit = commits.begin();
        const execute = async (): Promise<readonly string[]> => {
          stopwatch.begin(run);
          const texts: string[] = [];
          for (let step = 1; step <= steps; step++) {
            await context.run("step", async () => {
              if (guards) await commit(step);
              executed++;
              return step;
            });
            if (kept) texts.push(`["code","count",${step},${step},1,${systemClock.now()},0,{"ok":true,"value":${step}}]`);
          }
          stopwatch.end(run);
          return texts;
        };
        await (kept ? commits.keep(execute) : execute());
      },
    },
  });
  const { port, close } = await listen(createEndpointHandler({ services: [bare], logger: () => undefined }));
  await post(`${restate.admin}/deployments`, { uri: `http://127.0.0.1:${port}`, force: true });
  return {
    async measure({ runs, stepsPerRun, guards, kept = false }: Workload): Promise<Times> {
      stopwatch = new Stopwatch(runs);
      executed = 0;
      const beganAtMs = systemClock.monotonicMs();
      // The answer comes when the handler has ended, so that both sides are told of each run's end.
      await Promise.all(Array.from({ length: runs }, (_, run) => post(`${restate.ingress}/bare/steps`, { run, steps: stepsPerRun, guards, kept })));
      const wholeMs = systemClock.monotonicMs() - beganAtMs;
      if (executed !== runs * stepsPerRun) throw new Error(`The bare side executed ${executed} steps in place of ${runs * stepsPerRun}.`);
      return { ...stopwatch.times(), wholeMs };
    },
    close,
  };
}

async function listen(serve: ReturnType<typeof createEndpointHandler>): Promise<{ readonly port: number; readonly close: () => Promise<void> }> {
  const port = await freePort();
  const server = createServer(serve);
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function post(url: string, body: unknown): Promise<void> {
  const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const answer = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${answer}`);
}
