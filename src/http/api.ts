import { timingSafeEqual } from "node:crypto";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { z } from "zod";
import type { Clock } from "../base/clock.ts";
import { isLonghaulError, LonghaulError, messageOf } from "../base/error.ts";
import { errorCodes, type ErrorCode } from "../base/error-code.ts";
import { parseDuration } from "../base/duration.ts";
import { isFileFailure } from "../db/file-failure.ts";
import { hashOf, isNestedDeeper, type Json, jsonDepthMax } from "../base/json.ts";
import { byLengthMax, callLengthMax, denialLengthMax } from "../runtime/answer-question.ts";
import type { Operations } from "../runtime/operations.ts";
import { toMcpToolView } from "./mcp-tool-view.ts";
import { toQuestionView } from "./question-view.ts";
import { toTaskView } from "./task-view.ts";

export interface ApiOptions {
  readonly operations: Operations;
  readonly clock: Clock;
  /** Null where the transport itself is private: the Unix socket in the data directory. */
  readonly token: string | null;
  /** True while the team accepts work. */
  readonly isReady: () => boolean;
  /** "api" or "cli": recorded as the source of submitted tasks. */
  readonly source: string;
}

/** A request body over this many bytes is refused (2 MB). */
export const bodyBytesMax = 2_000_000;
/** The longest that one request waits for a result, in milliseconds. */
export const waitMsMax = 60_000;

const submission = z.strictObject({ agent: z.string(), input: z.json().default(null), key: z.string().optional(), priority: z.number().optional() });
const cancellation = z.strictObject({ reason: z.string().max(1000).default("canceled by an operator") });
const emptyBody = z.strictObject({});
const forking = z.strictObject({ from: z.number() });
const signalBody = z.strictObject({ payload: z.json().default(null) });
const breakerDecision = z.strictObject({ dependency: z.string().min(1).max(512), decision: z.enum(["isolate", "close"]), reason: z.string().max(1000).optional() });
const mcpApproval = z.strictObject({ server: z.string().min(1).max(64), tool: z.string().min(1).max(512), hash: z.string().min(1).max(64).optional() });
const approval = z.strictObject({
  decision: z.enum(["allow", "deny", "happened", "retry", "fail"]), result: z.json().optional(), reason: z.string().max(denialLengthMax).optional(), call: z.string().max(callLengthMax).optional(), by: z.string().max(byLengthMax).optional(),
});

/** The HTTP interface of a team: `/api/v1/*` with a bearer token, `/livez` and `/readyz` without. */
export function createApi(options: ApiOptions): Hono {
  const { operations, token, source } = options;
  const app = new Hono();
  app.get("/livez", (context) => context.json({ ok: true }));
  app.get("/readyz", (context) => (options.isReady() ? context.json({ ok: true }) : context.json({ ok: false }, 503)));
  app.use("/api/*", async (context, next) => {
    if (token !== null && !hasToken(context.req.header("authorization"), token)) {
      return refuse(context, "HTTP_UNAUTHORIZED", 'The token is missing or wrong. Send "Authorization: Bearer <token>" with the content of the file "token" in the data directory.', 401);
    }
    return next();
  });
  app.use("/api/*", bodyLimit({ maxSize: bodyBytesMax, onError: refuseBody }));

  app.post("/api/v1/tasks", async (context) => {
    const { agent, input, key, priority } = await parseBody(context, submission);
    const started = await operations.submit({ agent, input, source, ...(key === undefined ? {} : { key }), ...(priority === undefined ? {} : { priority }) });
    return context.json(started, started.created ? 201 : 200);
  });
  app.get("/api/v1/tasks/:id", (context) => getTask(context, options));
  app.post("/api/v1/tasks/:id/cancel", async (context) => {
    const { reason } = await parseBody(context, cancellation);
    return context.json({ canceled: await operations.cancel(context.req.param("id"), reason) });
  });
  app.post("/api/v1/tasks/:id/restart", async (context) => context.json(toTaskView(await operations.restart(context.req.param("id")))));
  app.post("/api/v1/tasks/:id/fork", async (context) => {
    const { from } = await parseBody(context, forking);
    const { task, ...forked } = await operations.fork(context.req.param("id"), from);
    return context.json({ task: toTaskView(task), ...forked }, forked.created ? 201 : 200);
  });
  app.post("/api/v1/tasks/:id/skip", async (context) => {
    await parseBody(context, emptyBody);
    const { task, ...skipped } = await operations.skip(context.req.param("id"));
    return context.json({ task: toTaskView(task), ...skipped });
  });
  app.post("/api/v1/runs/:id/signals/:name", async (context) => {
    const { payload } = await parseBody(context, signalBody);
    const { id, name } = context.req.param();
    return context.json({ delivered: await operations.signal(id, name, payload as Json) });
  });
  app.post("/api/v1/runs/:id/approve", async (context) => {
    const { decision, result = null, reason, call, by } = await parseBody(context, approval);
    const options = { source, ...(reason === undefined ? {} : { reason }), ...(call === undefined ? {} : { call }), ...(by === undefined ? {} : { by }) };
    return context.json({ answered: await operations.approve(context.req.param("id"), decision, result as Json, options) });
  });
  app.get("/api/v1/approvals", async (context) => context.json({ approvals: (await operations.questions()).map(toQuestionView) }));
  app.post("/api/v1/breakers", async (context) => {
    const body = await parseBody(context, breakerDecision);
    return context.json({ before: await operations.decideBreaker(body.dependency, body.decision === "close" ? "close" : { isolate: body.reason ?? `${source}, without a reason` }, source) });
  });
  app.get("/api/v1/mcp", async (context) => context.json({ tools: (await operations.mcpTools()).map(toMcpToolView) }));
  app.post("/api/v1/mcp/approve", async (context) => {
    const { hash, ...tool } = await parseBody(context, mcpApproval);
    return context.json({ approved: await operations.approveMcpTool(hash === undefined ? tool : { ...tool, hash }, source) });
  });
  app.notFound((context) => refuse(context, "HTTP_NOT_FOUND", `There is no ${context.req.method} ${context.req.path}. See docs/reference/http.md.`, 404));
  app.onError((error, context) => toErrorResponse(context, error));
  return app;
}

async function getTask(context: Context, { operations, clock }: ApiOptions): Promise<Response> {
  const id = context.req.param("id") ?? "";
  const wait = context.req.query("wait");
  if (wait !== undefined) {
    const waitMs = Math.min(parseDuration(/^\d+$/.test(wait) ? Number(wait) : wait, "wait"), waitMsMax);
    const controller = new AbortController();
    const timer = clock.setTimer(waitMs, () => controller.abort());
    const onGone = (): void => controller.abort();
    context.req.raw.signal.addEventListener("abort", onGone, { once: true });
    try {
      await operations.result(id, controller.signal);
    } catch (error) {
      if (!controller.signal.aborted) throw error;
    } finally {
      timer.cancel();
      context.req.raw.signal.removeEventListener("abort", onGone);
    }
  }
  const task = await operations.task(id);
  if (task === null) throw new LonghaulError("TASK_UNKNOWN", `There is no task ${id}. List tasks with \`longhaul ps --all\`.`);
  return context.json(toTaskView(task));
}

/** @throws {OPTION_INVALID} */
async function parseBody<T>(context: Context, schema: z.ZodType<T>): Promise<T> {
  const text = await context.req.text();
  if (isNestedDeeper(text, jsonDepthMax)) throw new LonghaulError("JSON_INVALID", `The body is nested deeper than ${jsonDepthMax} levels. Send flatter data, or text.`);
  let body: unknown;
  try {
    body = text === "" ? {} : JSON.parse(text);
  } catch (error) {
    throw new LonghaulError("OPTION_INVALID", `The body is not JSON: ${messageOf(error)}.`, { cause: error });
  }
  const checked = schema.safeParse(body);
  if (checked.success) return checked.data;
  throw new LonghaulError("OPTION_INVALID", `The body does not fit: ${checked.error.issues.map((issue) => `${issue.path.join(".") || "body"}: ${issue.message}`).join("; ")}.`);
}

function hasToken(header: string | undefined, token: string): boolean {
  const sent = /^bearer +(.+)$/i.exec(header ?? "")?.[1] ?? "";
  // Hashes have one length, so that the comparison takes the same time whatever was sent.
  return token !== "" && timingSafeEqual(Buffer.from(hashOf(sent)), Buffer.from(hashOf(token)));
}

const statusOf: Readonly<Partial<Record<ErrorCode, 400 | 404 | 409 | 413 | 429 | 503>>> = {
  OPTION_INVALID: 400,
  TASK_INPUT_INVALID: 400,
  JSON_INVALID: 400,
  AGENT_UNKNOWN: 404,
  TASK_UNKNOWN: 404,
  TASK_FORGOTTEN: 404,
  TASK_STATE: 409,
  TASK_KEY_CONFLICT: 409,
  PAYLOAD_TOO_LARGE: 413,
  QUEUE_FULL: 429,
  ENGINE_CLOSED: 503,
  ENGINE_FENCED: 503,
  SYSTEM_REFUSED: 503,
};

/** What passes by itself: a full queue, a process that stops or is replaced. */
const retryAfterSeconds = 5;

function toErrorResponse(context: Context, thrown: Error): Response {
  const error = isFileFailure(thrown) ? refusedByFile(thrown) : thrown;
  if (isLonghaulError(error)) {
    const status = statusOf[error.code] ?? 500;
    if (status === 429 || status === 503) context.header("retry-after", String(retryAfterSeconds));
    return context.json({ error: { code: error.code, message: error.message, remedy: errorCodes[error.code].remedy } }, status);
  }
  return refuse(context, "HTTP_INTERNAL", messageOf(error), 500);
}

function refusedByFile(cause: Error): LonghaulError {
  return new LonghaulError("SYSTEM_REFUSED", `The team's data file takes no writes: ${messageOf(cause)}. Nothing was taken. Make room on its disk, or mend what \`longhaul doctor\` names; then try again.`, { retry: "backoff", cause });
}

/** The rest of the body is not read, so that the connection cannot serve another request. */
function refuseBody(context: Context): Response {
  context.header("connection", "close");
  return refuse(context, "PAYLOAD_TOO_LARGE", `The body is over ${bodyBytesMax} bytes. Store it elsewhere and send a reference.`, 413);
}

function refuse(context: Context, code: ErrorCode, message: string, status: 401 | 404 | 413 | 500): Response {
  return context.json({ error: { code, message, remedy: errorCodes[code].remedy } }, status);
}
