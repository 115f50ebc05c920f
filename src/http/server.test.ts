import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Hono } from "hono";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { defineAgent } from "../agent/agent-definition.ts";
import { dataDirectory, prepareDataDirectory } from "../runtime/data-directory.ts";
import { serveTeam } from "./serve-for-test.testsuite.ts";
import { serveOnPort, serveOnSocket } from "./server.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "longhaul-server-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const app = new Hono().get("/hello", (context) => context.text("hello"));

function get(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path: "/hello" }, (response) => {
      response.setEncoding("utf8").on("data", resolve);
    }).on("error", reject).end();
  });
}

describe("the control socket", () => {
  it("is its owner's alone, replaces a dead one's file, and is gone after its close", async () => {
    const { socket } = dataDirectory(directory);
    writeFileSync(socket, "left by a process that was killed");

    const server = await serveOnSocket(app, socket);

    expect((statSync(socket).mode & 0o777).toString(8)).toBe("600");
    expect(await get(socket)).toBe("hello");
    await server.close();
    expect(existsSync(socket)).toBe(false);
  });

  it("is replaced by that of a process that took over, and outlives the one before", async () => {
    const { socket } = dataDirectory(directory);
    const before = await serveOnSocket(app, socket);
    const after = await serveOnSocket(new Hono().get("/hello", (context) => context.text("hello from the heir")), socket);

    await before.close();

    expect(await get(socket)).toBe("hello from the heir");
    expect(readdirSync(directory)).toEqual(["control.sock"]);
    await after.close();
    expect(readdirSync(directory)).toEqual([]);
  });

  it("works in a data directory whose path is too long for a socket, and each directory has its own", async () => {
    const deep = join(directory, "a".repeat(120), "b".repeat(120));
    mkdirSync(deep, { recursive: true });
    const { socket } = dataDirectory(deep);
    prepareDataDirectory(dataDirectory(deep), () => "token");
    const server = await serveOnSocket(app, socket);

    expect(await get(socket)).toBe("hello");
    expect(socket).not.toBe(dataDirectory(join(deep, "c")).socket);
    expect((statSync(socket).mode & 0o777).toString(8)).toBe("600");
    await server.close();
  });

  it("leaves the mask of the process as it was", async () => {
    writeFileSync(join(directory, "before"), "");
    const server = await serveOnSocket(app, join(directory, "s"));
    writeFileSync(join(directory, "after"), "");

    expect(statSync(join(directory, "after")).mode).toBe(statSync(join(directory, "before")).mode);
    await server.close();
  });
});

describe("the port", () => {
  it("is refused by name when it is taken or would be open to others", async () => {
    const server = await serveOnPort(app, { port: 0 });
    const port = Number(new URL(server.address).port);

    await expect(serveOnPort(app, { port })).rejects.toMatchObject({ code: "OPTION_INVALID", message: expect.stringContaining(`Port ${port} on 127.0.0.1 cannot be used`) });
    await expect(serveOnPort(app, { host: "0.0.0.0", port: 0 })).rejects.toMatchObject({ code: "OPTION_INVALID", message: expect.stringContaining("Only loopback is served") });
    await server.close();
  });
});

describe("what answers", () => {
  it("is loaded by the first request, again when that failed, and once for those that come together", async () => {
    let loads = 0;
    const load = (): Promise<Hono> => (++loads === 1 ? Promise.reject(new Error("the file is not there")) : Promise.resolve(app));
    const server = await serveOnPort(load, { port: 0 });
    const ask = async (): Promise<string> => {
      const response = await fetch(`${server.address}/hello`);
      return `${response.status} ${await response.text()}`;
    };

    expect(loads).toBe(0);
    expect(await ask()).toBe("500 the file is not there");
    expect(await Promise.all([ask(), ask(), ask()])).toEqual(["200 hello", "200 hello", "200 hello"]);
    expect(loads).toBe(2);
    await server.close();
  });
});

describe("a team that drains", () => {
  it("is alive but not ready, refuses new work, and still answers for the old", async () => {
    let finish = (): void => {};
    const slow = defineAgent({ name: "slow", run: async (ctx) => ctx.step("work", () => new Promise<string>((resolve) => { finish = () => resolve("finished"); })) });
    const served = await serveTeam([slow]);
    const { body } = await served.ask("POST", "/api/v1/tasks", { agent: "slow" });
    const { taskId } = body as { readonly taskId: string };
    const result = served.ask("GET", `/api/v1/tasks/${taskId}?wait=1m`);
    while (finish.toString() === "() => {}") await served.ask("GET", "/livez");

    const drained = served.team.drain(10_000);

    expect(await served.ask("GET", "/livez")).toMatchObject({ status: 200 });
    expect(await served.ask("GET", "/readyz")).toMatchObject({ status: 503 });
    expect(await served.ask("POST", "/api/v1/tasks", { agent: "slow" })).toMatchObject({ status: 503, body: { error: { code: "ENGINE_CLOSED", remedy: "Start it again." } } });
    finish();
    expect(await drained).toEqual({ interrupted: 0 });
    expect(await result).toMatchObject({ status: 200, body: { status: "done", output: "finished" } });
    await served.close();
  });
});
