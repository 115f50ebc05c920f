import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../base/clock.ts";
import { until } from "../base/fixture/until.ts";
import { VirtualClock } from "../base/virtual-clock.ts";
import { bodyBytesMax, createApi } from "./api.ts";
import { type ServedTeam, serveTeam, token } from "./serve-for-test.testsuite.ts";

let served: ServedTeam;
beforeAll(async () => {
  served = await serveTeam();
});
afterAll(() => served.close());

/** Starts a task of `patient`, which waits for the signal "go". */
async function startPatient(): Promise<{ readonly taskId: string; readonly runId: string }> {
  const { body } = await served.ask("POST", "/api/v1/tasks", { agent: "patient" });
  const { taskId } = body as { readonly taskId: string };
  await until("it waits", async () => (await served.team.operations.task(taskId))?.status === "waiting");
  return { taskId, runId: (await served.team.operations.task(taskId))?.runId ?? "" };
}

describe("the token", () => {
  it.each([
    ["none", {}],
    ["a wrong one", { authorization: "Bearer wrong" }],
    ["another scheme", { authorization: `Basic ${token}` }],
    ["an empty one", { authorization: "Bearer " }],
  ])("is asked for: %s is refused before anything is looked at", async (_, headers) => {
    for (const [method, path] of [["POST", "/api/v1/tasks"], ["GET", "/api/v1/tasks/t_1"], ["GET", "/api/v1/nothing"]] as const) {
      expect(await served.ask(method, path, undefined, headers)).toMatchObject({ status: 401, body: { error: { code: "HTTP_UNAUTHORIZED", message: expect.stringContaining("Authorization: Bearer <token>"), remedy: expect.any(String) } } });
    }
  });

  it.each(["bearer", "BEARER", "Bearer "])("is taken with the scheme written as %j: RFC 9110 tells neither case nor the number of spaces apart", async (scheme) => {
    expect(await served.ask("GET", "/api/v1/tasks/t_none", undefined, { authorization: `${scheme} ${token}` })).toMatchObject({ status: 404 });
    expect(await served.ask("GET", "/api/v1/tasks/t_none", undefined, { authorization: `${scheme} ${token}x` })).toMatchObject({ status: 401 });
  });

  it("that is empty opens nothing", async () => {
    const api = createApi({ operations: served.team.operations, clock: systemClock, token: "", isReady: () => true, source: "api" });

    for (const authorization of ["", "Bearer "]) expect(await api.request("/api/v1/tasks/t_1", { headers: { authorization } })).toMatchObject({ status: 401 });
  });

  it("is not asked for by monitors", async () => {
    expect(await served.ask("GET", "/livez", undefined, {})).toEqual({ status: 200, body: { ok: true } });
    expect(await served.ask("GET", "/readyz", undefined, {})).toEqual({ status: 200, body: { ok: true } });
  });
});

describe("a submission", () => {
  it("starts a task once per key: 201, then 200 with the same id", async () => {
    const first = await served.ask("POST", "/api/v1/tasks", { agent: "echo", input: { n: 1 }, key: "k1" });
    const second = await served.ask("POST", "/api/v1/tasks", { agent: "echo", input: { n: 2 }, key: "k1" });

    const { taskId } = first.body as { readonly taskId: string };
    expect(first).toEqual({ status: 201, body: { taskId, created: true } });
    expect(second).toEqual({ status: 200, body: { taskId, created: false } });
    expect(await served.ask("GET", `/api/v1/tasks/${taskId}?wait=1m`)).toMatchObject({ status: 200, body: { id: taskId, status: "done", outcome: "unverified", output: { echoed: { n: 1 } }, key: "k1", endedAt: expect.stringMatching(/Z$/) } });
  });

  it.each([
    ["no JSON", "{agent", 400, "OPTION_INVALID", /not JSON/],
    ["an unknown field", { agent: "echo", inptu: 1 }, 400, "OPTION_INVALID", /inptu/],
    ["a wrong type", { agent: 7 }, 400, "OPTION_INVALID", /agent/],
    ["a list", [], 400, "OPTION_INVALID", /body/],
    ["nothing", "", 400, "OPTION_INVALID", /agent/],
    ["an unknown agent", { agent: "nobody" }, 404, "AGENT_UNKNOWN", /It has: echo, patient, dying/],
    ["an empty key", { agent: "echo", key: "" }, 400, "OPTION_INVALID", /key has 0 characters/],
    ["a long key", { agent: "echo", key: "k".repeat(513) }, 400, "OPTION_INVALID", /key has 513 characters. Use 1 to 512/],
    ["half a priority", { agent: "echo", priority: 0.5 }, 400, "OPTION_INVALID", /priority is 0.5/],
    ["a body over the limit", { agent: "echo", input: "x".repeat(bodyBytesMax) }, 413, "PAYLOAD_TOO_LARGE", /over 2000000 bytes/],
  ] as const)("of %s is refused with a code and a remedy", async (_, body, status, code, message) => {
    expect(await served.ask("POST", "/api/v1/tasks", body)).toMatchObject({ status, body: { error: { code, message: expect.stringMatching(message), remedy: expect.stringMatching(/\.$/) } } });
  });

  it("that is streamed without a length is held to the limit too", async () => {
    const chunk = new TextEncoder().encode("x".repeat(100_000));
    let sent = 0;
    const body = new ReadableStream({ pull: (controller) => (sent++ < 30 ? controller.enqueue(chunk) : controller.close()) });

    const response = await fetch(`${served.url}/api/v1/tasks`, { method: "POST", headers: { authorization: `Bearer ${token}` }, body, duplex: "half" });

    expect(response.status).toBe(413);
  });
});

describe("a wait for a result", () => {
  it("ends with the task as it is when the time is up", async () => {
    const { taskId } = await startPatient();

    expect(await served.ask("GET", `/api/v1/tasks/${taskId}?wait=50`)).toMatchObject({ status: 200, body: { status: "waiting", waitingReason: "signal" } });
    expect(served.waiting()).toBe(0);
  });

  it("ends when the task ends", async () => {
    const { taskId, runId } = await startPatient();
    const waiting = served.ask("GET", `/api/v1/tasks/${taskId}?wait=1m`);
    await until("one waits", () => served.waiting() === 1);

    expect(await served.ask("POST", `/api/v1/runs/${runId}/signals/go`, { payload: { by: "ann" } })).toEqual({ status: 200, body: { delivered: true } });

    expect(await waiting).toMatchObject({ status: 200, body: { status: "done", output: { timedOut: false, payload: { by: "ann" } } } });
  });

  it("that ended leaves no timer behind", async () => {
    const clock = new VirtualClock();
    const api = createApi({ operations: served.team.operations, clock, token, isReady: () => true, source: "api" });
    const { taskId } = await served.team.operations.submit({ agent: "echo", input: 1, source: "test" });

    const response = await api.request(`/api/v1/tasks/${taskId}?wait=1m`, { headers: { authorization: `Bearer ${token}` } });

    expect(await response.json()).toMatchObject({ status: "done" });
    expect(clock.pendingAtMs).toEqual([]);
  });

  it("leaves nothing behind when the client goes away", async () => {
    const { taskId } = await startPatient();
    const controllers = Array.from({ length: 20 }, () => new AbortController());
    const gone = controllers.map(({ signal }) => fetch(`${served.url}/api/v1/tasks/${taskId}?wait=1m`, { headers: { authorization: `Bearer ${token}` }, signal }).catch((error: unknown) => (error instanceof Error ? error.name : "")));
    await until("20 wait", () => served.waiting() === 20);

    for (const controller of controllers) controller.abort();

    expect(new Set(await Promise.all(gone))).toEqual(new Set(["AbortError"]));
    await until("nobody waits", () => served.waiting() === 0);
  });

  it.each(["soon", "-1", "0"])("for %j is refused by name", async (wait) => {
    expect(await served.ask("GET", `/api/v1/tasks/t_1?wait=${wait}`)).toMatchObject({ status: 400, body: { error: { code: "OPTION_INVALID", message: expect.stringContaining("wait is") } } });
  });

  it("for a task that does not exist ends at once", async () => {
    expect(await served.ask("GET", "/api/v1/tasks/t_1?wait=1m")).toMatchObject({ status: 404, body: { error: { code: "TASK_UNKNOWN", remedy: "List tasks with `longhaul ps --all`." } } });
  });
});

describe("the other requests", () => {
  it("cancel and restart a task, and say so when its state does not allow it", async () => {
    const { taskId } = await startPatient();

    expect(await served.ask("POST", `/api/v1/tasks/${taskId}/restart`)).toMatchObject({ status: 409, body: { error: { code: "TASK_STATE" } } });
    expect(await served.ask("POST", `/api/v1/tasks/${taskId}/cancel`, { reason: "not needed" })).toEqual({ status: 200, body: { canceled: true } });
    expect(await served.ask("POST", `/api/v1/tasks/${taskId}/cancel`, {})).toEqual({ status: 200, body: { canceled: false } });
    expect(await served.ask("GET", `/api/v1/tasks/${taskId}`)).toMatchObject({ body: { status: "canceled", reason: "not needed" } });
    expect(await served.ask("POST", `/api/v1/tasks/${taskId}/restart`)).toMatchObject({ status: 200, body: { id: taskId, status: "queued" } });
    expect(await served.ask("POST", "/api/v1/tasks/t_1/cancel", {})).toMatchObject({ status: 404, body: { error: { code: "TASK_UNKNOWN" } } });
  });

  it("refuse a decision that is none, and one that nobody waits for", async () => {
    const { runId } = await startPatient();

    expect(await served.ask("POST", `/api/v1/runs/${runId}/approve`, { decision: "maybe" })).toMatchObject({ status: 400 });
    expect(await served.ask("POST", `/api/v1/runs/${runId}/approve`, { decision: "retry" })).toMatchObject({ status: 409, body: { error: { code: "TASK_STATE" } } });
    expect(await served.ask("POST", "/api/v1/runs/r_1/signals/go", {})).toMatchObject({ status: 404, body: { error: { code: "TASK_UNKNOWN", message: 'There is no run "r_1". List runs with `longhaul runs`.' } } });
  });

  it("that do not exist are named", async () => {
    expect(await served.ask("GET", "/api/v1/agents")).toMatchObject({ status: 404, body: { error: { code: "HTTP_NOT_FOUND", message: expect.stringContaining("GET /api/v1/agents"), remedy: expect.any(String) } } });
  });
});

describe("a body", () => {
  it.each([[{ x: 1 }], [[]], [null]])("of a skip that holds %j is refused, whatever the task is", async (given) => {
    expect(await served.ask("POST", "/api/v1/tasks/t_1/skip", given)).toMatchObject({ status: 400, body: { error: { code: "OPTION_INVALID", message: expect.stringContaining("The body does not fit") } } });
  });

  it("that is nested too deep is refused by the limit", async () => {
    const input: unknown = JSON.parse(`${"[".repeat(600)}${"]".repeat(600)}`);

    expect(await served.ask("POST", "/api/v1/tasks", { agent: "echo", input })).toMatchObject({ status: 400, body: { error: { code: "JSON_INVALID", message: "The body is nested deeper than 500 levels. Send flatter data, or text." } } });
  });
});
