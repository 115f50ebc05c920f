import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { defineAgent } from "../agent/agent-definition.ts";
import { secret } from "../agent/secret.ts";
import { defineTool, mcp, type McpDefinition, type ToolDefinition } from "../agent/tool-definition.ts";
import { VirtualClock } from "../base/virtual-clock.ts";
import { toWorker } from "../run/worker.ts";
import { createSecrets } from "./secrets.ts";
import { createToolSet, type ToolSet } from "./tool-set.ts";

const server = fileURLToPath(new URL("../tool/fixture/stdio-server.ts", import.meta.url));
const { signal } = new AbortController();
const call = { signal, idempotencyKey: "k", taskId: "t_1", runId: "r_1" };

let opened: ToolSet | null = null;
afterEach(() => opened?.close());

function open(...tools: readonly (ToolDefinition | McpDefinition)[]): ToolSet {
  const worker = toWorker(defineAgent({ name: "a", model: "anthropic/test", instructions: "Work.", tools }), "v1");
  opened = createToolSet(new Map([["a", worker]]), { clock: new VirtualClock(), secrets: createSecrets((name) => `value of ${name}`) });
  return opened;
}

describe("the tools of an agent", () => {
  it("have the time limits that are declared, or the defaults", async () => {
    const tool = { description: "", inputSchema: z.object({}), effect: "read", execute: () => null } as const;
    const [short, standard] = await open(defineTool({ ...tool, name: "short", timeout: "5s" }), defineTool({ ...tool, name: "standard" })).toolsOf("a", signal);

    expect([short?.timeoutMs, standard?.timeoutMs]).toEqual([5_000, 60_000]);
  });

  it("of a server are those that it may show, with their effects and its time limits, started where and with what it is told", async () => {
    const definition = mcp({
      name: "files", command: process.execPath, args: ["stdio-server.ts", "env"], cwd: dirname(server), env: { PLAIN: "text", TOKEN: secret("FILES_TOKEN") },
      allow: ["env", "echo"], effects: { env: "read" }, connectTimeout: "7s", requestTimeout: "4s",
    });
    const tools = await open(definition).toolsOf("a", signal);

    expect(tools.map(({ name, effect, timeoutMs }) => [name, effect, timeoutMs])).toEqual(expect.arrayContaining([["env", "read", 11_000], ["echo", "once", 11_000]]));
    expect(tools).toHaveLength(2);
    const result = await tools.find(({ name }) => name === "env")?.call({}, call);
    expect(result).toMatchObject({ ok: true });
    expect(JSON.parse(String(result?.ok === true ? result.value : "{}"))).toMatchObject({ PLAIN: "text", TOKEN: "value of FILES_TOKEN" });
  });

  it("of a server by address are asked for with its headers", async () => {
    const asked: (string | undefined)[] = [];
    const http = createServer((request, response) => {
      asked.push(request.headers.authorization);
      response.writeHead(401).end();
    });
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const definition = mcp({ name: "web", url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`, headers: { authorization: secret("WEB_TOKEN") } });

    await expect(open(definition).toolsOf("a", signal)).rejects.toMatchObject({ code: "MCP_UNAUTHORIZED", message: expect.stringContaining("Check the `headers`") });

    expect(new Set(asked)).toEqual(new Set(["value of WEB_TOKEN"]));
    http.close();
    http.closeAllConnections();
  });
});
