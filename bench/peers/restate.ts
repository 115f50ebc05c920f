import { createServer } from "node:http2";
import { createEndpointHandler, service, type Context } from "@restatedev/restate-sdk";
import { freePort, startRestate } from "../../src/engine/restate/fixture/restate-server.ts";
import type { OpenSide } from "./side.ts";

interface Call {
  readonly run: number;
  readonly steps: number;
}

/** One server and one worker over HTTP/2, both on this machine. */
export const open: OpenSide = async (_folder, hooks) => {
  const restate = await startRestate();
  const bench = service({
    name: "bench",
    handlers: {
      async steps(context: Context, { run, steps }: Call) {
        for (let index = 1; index <= steps; index++) {
          await context.run("step", () => {
            hooks.step();
            return index;
          });
        }
        hooks.end(run);
      },
    },
  });
  const waiting = service({
    name: "waiting",
    // It leaves memory at once, in place of after a minute.
    options: { inactivityTimeout: { milliseconds: 1 } },
    handlers: {
      async wait(context: Context, { run }: Call) {
        hooks.end(run);
        await context.sleep({ hours: 1 });
      },
    },
  });
  const port = await freePort();
  const server = createServer(createEndpointHandler({ services: [bench, waiting], logger: () => undefined }));
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const post = async (url: string, body: unknown): Promise<void> => {
    const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    const answer = await response.text();
    if (!response.ok) throw new Error(`${url} answered ${response.status}: ${answer}`);
  };
  await post(`${restate.admin}/deployments`, { uri: `http://127.0.0.1:${port}`, force: true });
  return {
    durability: "fsync (Restate's log)",
    start: (run, steps) => post(`${restate.ingress}/bench/steps`, { run, steps } satisfies Call),
    startWaiting: (run) => post(`${restate.ingress}/waiting/wait/send`, { run, steps: 0 } satisfies Call),
    async close() {
      await restate.close();
      server.close();
    },
  };
};
