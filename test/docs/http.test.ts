import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { LonghaulError } from "../../src/base/error.ts";
import { type ErrorCode, errorCodes } from "../../src/base/error-code.ts";
import { bodyBytesMax, createApi, waitMsMax } from "../../src/http/api.ts";
import { toTaskView } from "../../src/http/task-view.ts";
import type { Task } from "../../src/record/task.ts";
import type { Operations } from "../../src/runtime/operations.ts";
import { codeOf, readText, sectionOf, tableRows } from "./markdown.ts";

const page = readText("docs/reference/http.md");
const token = "token-of-this-test";

const task: Task = {
  id: "t_1", agent: "triage", input: null, key: null, priority: 0, notBeforeAtMs: 0, deadlineAtMs: 1, depth: 0, source: "api", doubts: [], status: "queued", waitingReason: null,
  createdAtMs: 0, startedAtMs: null, endedAtMs: null, statusSinceMs: 0, openSinceMs: 0, runId: null, parentRunId: null, recoveries: 0, end: null,
};

/** Operations that succeed, or fail with one error. */
function operationsWith(error: Error | null): Operations {
  const answer = <T>(value: T) => async (): Promise<T> => {
    if (error !== null) throw error;
    return value;
  };
  return { submit: answer({ taskId: task.id, created: true }), task: answer(task), result: () => new Promise(() => undefined), cancel: answer(true), restart: answer(task), fork: answer({ task, created: false, ofRun: "r_1", served: 1 }), skip: answer({ task, expected: "code a (step 1)", came: "code b" }), signal: answer(true), questions: answer([]), approve: answer(1), decideBreaker: answer("closed"), mcpTools: answer([]), approveMcpTool: answer("1a2b") };
}

function apiWith(error: Error | null = null) {
  return createApi({ operations: operationsWith(error), clock: systemClock, token, isReady: () => true, source: "api" });
}

async function post(path: string, body: string, error: Error | null = null) {
  return apiWith(error).request(path, { method: "POST", body, headers: { authorization: `Bearer ${token}` } });
}

const statusOfCode = async (code: ErrorCode): Promise<number> => (await post("/api/v1/tasks", '{"agent":"a"}', new LonghaulError(code, "For this test."))).status;
const concrete = (path: string): string => path.replaceAll(/:\w+/g, "x_1");

describe("docs/reference/http.md", () => {
  it("lists the routes and no others", () => {
    const routes = apiWith().routes.filter(({ method }) => method !== "ALL").map(({ method, path }) => `${method} ${path}`);

    expect(tableRows(page).map(([method, path]) => `${codeOf(method)} ${codeOf(path)}`)).toEqual(routes);
  });

  it.each(tableRows(sectionOf(page, "## Bodies")))("shows a body that %s takes, and no field can be added", async (path, body) => {
    const shown = codeOf(body);
    const documented = Object.keys(JSON.parse(shown) as object);

    expect((await post(concrete(codeOf(path)), shown)).status).toBeLessThan(300);
    expect((await post(concrete(codeOf(path)), JSON.stringify({ ...(JSON.parse(shown) as object), unlisted: 1 }))).status).toBe(400);
    expect(documented.length).toBeGreaterThan(0);
  });

  it("shows a body for each route that takes one", () => {
    const takers = tableRows(page).filter(([method, path]) => codeOf(method) === "POST" && !/\/(restart|skip)$/.test(codeOf(path))).map(([, path]) => codeOf(path));

    expect(tableRows(sectionOf(page, "## Bodies")).map(([path]) => codeOf(path))).toEqual(takers);
  });

  it("states the limits of a request", () => {
    expect(page).toContain(`at most ${bodyBytesMax} bytes`);
    expect(page).toContain(`at most ${waitMsMax / 1000} s`);
  });

  it("lists the fields of a task", () => {
    expect(tableRows(sectionOf(page, "## A task")).map(([field]) => codeOf(field))).toEqual(Object.keys(toTaskView(task)));
  });

  it("lists the codes that have a status of their own", async () => {
    const listed = Object.fromEntries(tableRows(sectionOf(page, "## Errors")).map(([code, status]) => [codeOf(code), Number(status)]));
    const codes = Object.keys(errorCodes) as readonly ErrorCode[];
    const mapped = await Promise.all(codes.map(async (code) => [code, await statusOfCode(code)] as const));
    const unauthorized = await apiWith().request("/api/v1/tasks/x");
    const missing = await apiWith().request("/nowhere");
    const actual = { ...Object.fromEntries(mapped.filter(([, status]) => status !== 500)), HTTP_UNAUTHORIZED: unauthorized.status, HTTP_NOT_FOUND: missing.status };

    expect(listed).toEqual(actual);
  });
});
