import { createServer } from "node:http";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { defineAgent } from "../agent/agent-definition.ts";
import { createClient } from "./client.ts";
import { type ServedTeam, serveTeam, token } from "./serve-for-test.testsuite.ts";

let served: ServedTeam;
beforeAll(async () => {
  served = await serveTeam();
});
afterAll(() => served.close());

/** A server that gives one answer to all. */
async function startAnswering(body: object, status = 200): Promise<{ readonly url: string; readonly asked: Promise<void>; close(): Promise<void> }> {
  const asked = Promise.withResolvers<void>();
  const server = createServer((_, response) => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    asked.resolve();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: asked.promise,
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

describe("a client", () => {
  it("finds the team by its data directory, submits and gets the result", async () => {
    const directory = mkdtempSync(join(tmpdir(), "longhaul-client-"));
    writeFileSync(join(directory, "endpoint.json"), JSON.stringify({ url: served.url }));
    writeFileSync(join(directory, "token"), `${token}\n`);
    const client = createClient({ dataDirectory: directory });

    const { taskId, created } = await client.submit("echo", { n: 1 }, { key: "client-1", priority: 5 });

    expect(created).toBe(true);
    expect(await client.result(taskId)).toMatchObject({ status: "done", output: { echoed: { n: 1 } } });
    expect(await client.task(taskId)).toMatchObject({ id: taskId, key: "client-1" });
    expect(await served.team.operations.task(taskId)).toMatchObject({ priority: 5 });
    expect(await client.submit("echo", { n: 2 }, { key: "client-1" })).toEqual({ taskId, created: false });
    rmSync(directory, { recursive: true });
  });

  it("forks a done task as a task of its own, restarts a canceled one, and throws what cannot be done", async () => {
    const client = createClient({ url: served.url, token });
    const { taskId } = await client.submit("echo", { n: 7 });
    const { runId } = await client.result(taskId);

    const forked = await client.fork(taskId, 1);

    expect(forked).toMatchObject({ created: true, ofRun: runId, served: 0 });
    expect(await client.result(forked.task.id)).toMatchObject({ status: "done", output: { echoed: { n: 7 } } });
    await expect(client.fork(taskId, 99)).rejects.toMatchObject({ code: "OPTION_INVALID", message: expect.stringContaining("from is 99") as string });
    await expect(client.restart(taskId)).rejects.toMatchObject({ code: "TASK_STATE" });
    await expect(client.skip(taskId)).rejects.toMatchObject({ code: "TASK_STATE", message: expect.stringContaining("only one whose run is parked") as string });
    const { taskId: patient } = await client.submit("patient", undefined);
    while ((await client.task(patient)).status !== "waiting") await client.task(patient);
    await client.cancel(patient);
    expect(await client.restart(patient)).toMatchObject({ id: patient, status: "queued" });
    await client.cancel(patient);
  });

  it("lists what waits for a person and answers it once, which no signal can do", async () => {
    const client = createClient({ url: served.url, token });
    const { taskId } = await client.submit("paying", undefined);
    while ((await client.task(taskId)).status !== "waiting") await client.task(taskId);
    const [question, ...others] = await client.approvals();
    const { runId = "" } = question ?? {};

    expect(others).toEqual([]);
    expect(question).toMatchObject({ runId: (await client.task(taskId)).runId, taskId, agent: "paying", kind: "permission", call: "c1", tool: "pay", arguments: { amount: 5 }, until: expect.stringMatching(/Z$/) as string });
    await expect(client.signal(runId, `longhaul:permission:${runId}/tool/tool/c1/1`, { decision: "allow" })).rejects.toMatchObject({ code: "OPTION_INVALID" });
    await expect(client.approve(runId, "allow", { call: "c2" })).rejects.toMatchObject({ code: "TASK_STATE" });
    await client.approve(runId, "allow", { call: "c1", by: "ada" });

    expect(await client.result(taskId)).toMatchObject({ output: "paid 5" });
    await expect(client.approve(runId, "deny", { reason: "no" })).rejects.toMatchObject({ code: "TASK_STATE", message: expect.stringContaining("allow, by ada over api") as string });
    expect(await client.approvals()).toEqual([]);
  });

  it("signals a run, cancels a task, and throws what a task died of", async () => {
    const client = createClient({ url: served.url, token });
    const { taskId } = await client.submit("patient", undefined);
    while ((await client.task(taskId)).status !== "waiting") await client.task(taskId);
    const { runId } = await client.task(taskId);
    expect(await client.signal(runId ?? "", "go", { yes: true })).toBe(true);
    expect(await client.result(taskId)).toMatchObject({ output: { payload: { yes: true } } });
    expect(await client.signal(runId ?? "", "go")).toBe(false);

    const canceled = await client.submit("patient", undefined);
    expect(await client.cancel(canceled.taskId, "not needed")).toBe(true);
    await expect(client.result(canceled.taskId)).rejects.toMatchObject({ code: "TASK_CANCELED", message: expect.stringContaining("not needed") });

    const dead = await client.submit("dying", undefined);
    await expect(client.result(dead.taskId)).rejects.toMatchObject({ code: "TASK_DEAD", message: "dying died (failed): out of paper", details: { taskId: dead.taskId, reason: "failed" } });
  });

  it("throws the code of a refusal", async () => {
    await expect(createClient({ url: served.url, token }).submit("nobody", null)).rejects.toMatchObject({ code: "AGENT_UNKNOWN" });
    await expect(createClient({ url: served.url, token: "wrong" }).submit("echo", null)).rejects.toMatchObject({ code: "HTTP_UNAUTHORIZED" });
    await expect(createClient({ url: served.url, token }).task("../../livez")).rejects.toMatchObject({ code: "TASK_UNKNOWN" });
  });

  // litellm#27823: a proxy that is full and does not say when to come back.
  it("is told by a team that is full when to ask again", async () => {
    const small = await serveTeam([defineAgent({ name: "small", run: async (ctx) => ctx.waitFor("go"), limits: { queueMax: 1 } })]);
    const client = createClient({ url: small.url, token });
    const full = Array.from({ length: 20 }, () => client.submit("small", null));
    const refusals = (await Promise.allSettled(full)).flatMap((end) => (end.status === "rejected" ? [end.reason as unknown] : []));

    expect(refusals[0]).toMatchObject({ code: "QUEUE_FULL", details: { status: 429 }, retry: { afterMs: 5_000 } });
    await small.close();
  });

  it("stops waiting when its caller does", async () => {
    const client = createClient({ url: served.url, token });
    const { taskId } = await client.submit("patient", undefined);
    const controller = new AbortController();
    const result = client.result(taskId, { signal: controller.signal });

    controller.abort(new Error("enough"));

    await expect(result).rejects.toThrow("enough");
  });

  it("goes on waiting while the team is restarted, on another port", async () => {
    const directory = mkdtempSync(join(tmpdir(), "longhaul-client-"));
    writeFileSync(join(directory, "token"), `${token}\n`);
    const first = await startAnswering({ status: "waiting" });
    writeFileSync(join(directory, "endpoint.json"), JSON.stringify({ url: first.url }));
    const result = createClient({ dataDirectory: directory }).result("t_1");
    await first.asked;

    await first.close();
    rmSync(join(directory, "endpoint.json"));
    const starting = await startAnswering({ error: { code: "ENGINE_CLOSED", message: "It drains." } }, 503);
    writeFileSync(join(directory, "endpoint.json"), JSON.stringify({ url: starting.url }));
    await starting.asked;
    await starting.close();
    const second = await startAnswering({ status: "done", output: 42 });
    writeFileSync(join(directory, "endpoint.json"), JSON.stringify({ url: second.url }));

    expect(await result).toEqual({ status: "done", output: 42 });
    await second.close();
    rmSync(directory, { recursive: true });
  });

  it("gives a team up that gives no answer for too long, or when its caller does", async () => {
    const client = createClient({ url: "http://127.0.0.1:9", token });
    const controller = new AbortController();
    const patient = client.result("t_1", { signal: controller.signal });

    await expect(client.result("t_1", { unreachableFor: "300ms" })).rejects.toMatchObject({ code: "CLIENT_UNREACHABLE", message: expect.stringMatching(/^The team gave no answer for \d{3} ms\. .*the task is kept\./) });
    controller.abort(new Error("enough"));
    await expect(patient).rejects.toThrow("enough");
  });

  it("says what to do when no team answers, or something else does", async () => {
    expect(() => createClient({ dataDirectory: join(tmpdir(), "longhaul-nowhere") })).toThrow(/No team runs on .*longhaul-nowhere.*longhaul start/);
    await expect(createClient({ url: "http://127.0.0.1:9", token }).submit("echo", null)).rejects.toMatchObject({ code: "CLIENT_UNREACHABLE", retry: "backoff" });

    const server = createServer((_, response) => response.writeHead(502).end("<h1>Bad gateway</h1>"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await expect(createClient({ url, token }).submit("echo", null)).rejects.toMatchObject({ code: "CLIENT_REFUSED", message: expect.stringContaining("HTTP 502 with something else than JSON: <h1>Bad gateway</h1>") });
    server.close();
  });
});
