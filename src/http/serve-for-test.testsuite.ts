import { type AgentDefinition, defineAgent } from "../agent/agent-definition.ts";
import { defineTeam } from "../agent/team-definition.ts";
import { systemClock } from "../base/clock.ts";
import { seededRandom } from "../base/random.ts";
import { type LiveTeam, openLiveTeam } from "../runtime/live-team.ts";
import { createApi } from "./api.ts";
import { serveOnPort } from "./server.ts";

export const token = "test-token";

/** Agents that answer, wait for a signal, and die. */
export const echo = defineAgent({ name: "echo", run: async (_, input) => ({ echoed: input }) });
const patient = defineAgent({ name: "patient", run: async (ctx) => ctx.waitFor("go") });
const dying = defineAgent({ name: "dying", run: async (ctx) => ctx.step("die", () => { throw new Error("out of paper"); }, { attempts: 1 }) });
/** Counts what it paid, in its output, once a person has allowed it. */
const paying = defineAgent({ name: "paying", run: async (ctx) => ctx.tools({ pay: payTool }, { needsApproval: { pay: true } }).pay.execute({ amount: 5 }, { toolCallId: "c1" }) });
const payTool = { execute: async ({ amount }: { readonly amount: number }, _call: { readonly toolCallId: string }): Promise<string> => `paid ${amount}` };

export interface ServedTeam {
  readonly team: LiveTeam;
  readonly url: string;
  /** How many requests wait for a result now. */
  waiting(): number;
  /** A request with the token, unless headers say otherwise. */
  ask(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<{ readonly status: number; readonly body: unknown }>;
  close(): Promise<void>;
}

/** A live team in memory with its HTTP interface on loopback. */
export async function serveTeam(agents: readonly AgentDefinition[] = [echo, patient, dying, paying]): Promise<ServedTeam> {
  const team = await openLiveTeam({ team: defineTeam({ name: "t", agents }), dataDirectory: null, clock: systemClock, random: seededRandom(1), environment: () => undefined, print: () => undefined });
  await team.start();
  let waiting = 0;
  const operations: LiveTeam["operations"] = {
    ...team.operations,
    async result(taskId, signal) {
      waiting++;
      try {
        return await team.operations.result(taskId, signal);
      } finally {
        waiting--;
      }
    },
  };
  const server = await serveOnPort(createApi({ operations, clock: systemClock, token, isReady: () => team.isReady(), source: "api" }), { port: 0 });
  return {
    team,
    url: server.address,
    waiting: () => waiting,
    async ask(method, path, body, headers = { authorization: `Bearer ${token}` }) {
      const response: { readonly status: number; json(): Promise<unknown> } = await fetch(`${server.address}${path}`, { method, headers, ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }) });
      return { status: response.status, body: await response.json() };
    },
    async close() {
      await server.close();
      await team.close();
    },
  };
}
