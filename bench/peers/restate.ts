import { createServer } from "node:http2";
import { createEndpointHandler, service, type Context } from "@restatedev/restate-sdk";
import { freePort } from "../../src/base/fixture/free-port.ts";
import { startRestate } from "../../src/engine/restate/fixture/restate-server.ts";
import type { OpenSide } from "./side.ts";

interface Call {
  readonly run: number;
  readonly steps: number;
}

/** One server and one worker over HTTP/2, both on this machine. */
export const open: OpenSide = async (_folder, hooks) => {
  const beganAt = performance.now();
  const restate = await startRestate();
  const serverMs = performance.now() - beganAt;
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
  const post = async (url: string, body: unknown): Promise<string> => {
    const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json", "accept": "application/json" }, body: JSON.stringify(body) });
    const answer = await response.text();
    if (!response.ok) throw new Error(`${url} answered ${response.status}: ${answer}`);
    return answer;
  };
  await post(`${restate.admin}/deployments`, { uri: `http://127.0.0.1:${port}`, force: true });
  const count = async (condition: string): Promise<number> => (JSON.parse(await post(`${restate.admin}/query`, { query: `SELECT count(*) AS n FROM sys_invocation WHERE ${condition}` })) as { readonly rows: readonly { readonly n: number }[] }).rows[0]?.n ?? Number.NaN;
  let started = 0;
  return {
    durability: "fsync (Restate's log)",
    serverMs,
    async start(run, steps) {
      await post(`${restate.ingress}/bench/steps/send`, { run, steps } satisfies Call);
      started++;
    },
    startWaiting: (run) => post(`${restate.ingress}/waiting/wait/send`, { run, steps: 0 } satisfies Call),
    // One that has ended well is forgotten at once, or kept as completed.
    ended: async () => started - (await count("target_service_name = 'bench' AND (status <> 'completed' OR completion_result <> 'success')")),
    waiting: () => count("target_service_name = 'waiting' AND status = 'suspended'"),
    async close() {
      await restate.close();
      server.close();
    },
  };
};
