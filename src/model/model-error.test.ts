import { expect, test } from "vitest";
import { LonghaulError } from "../base/error.ts";
import { fromFailure, toFailure } from "../record/failure.ts";
import { toModelError } from "./model-error.ts";

const context = { model: "openai/gpt-5.2", provider: "openai", nowMs: 0 };

test("an error says what happened, with which status, and what to do", () => {
  const thrown = Object.assign(new Error("The model does not exist"), { statusCode: 404, responseBody: '{"error":{"code":"model_not_found"}}', responseHeaders: { "x-request-id": "req_7" } });

  const error = toModelError(thrown, context);

  expect(error.message).toBe("openai/gpt-5.2 failed with status 404: The model does not exist. Mend the model's name or the option that the provider names.");
  expect(error.details).toEqual({ provider: "openai", model: "openai/gpt-5.2", status: 404, kinds: ["model_not_found"], requestId: "req_7", excerpt: '{"error":{"code":"model_not_found"}}' });
});

test("no key reaches the message, the details or the causes", () => {
  const key = "0123456789abcdef-plain-key";
  const said = `Incorrect API key provided: sk-proj-abcdefgh12345678; also ${key} and Bearer abc.def-ghi, {"api_key": "hunter2hunter2"}`;
  const thrown = Object.assign(new Error(said, { cause: new Error(said) }), { statusCode: 401, responseBody: said, requestBodyValues: { prompt: "private" } });

  const stored = JSON.stringify(toFailure(toModelError(thrown, { ...context, secrets: [key] })));

  for (const secret of ["sk-proj", key, "abc.def-ghi", "hunter2", "private"]) expect(stored).not.toContain(secret);
  expect(stored).toContain("[redacted]");
});

test("identity survives storage, and coded errors pass through", () => {
  const error = toModelError(Object.assign(new Error("slow down"), { statusCode: 429, responseHeaders: { "retry-after": "7" } }), context);

  expect(fromFailure(toFailure(error))).toMatchObject({ code: "MODEL_THROTTLED", retry: { afterMs: 7000 }, details: { status: 429 } });
  const coded = new LonghaulError("BUDGET_EXCEEDED", "x");
  expect(toModelError(coded, context)).toBe(coded);
});

test("long bodies are cut", () => {
  const error = toModelError(Object.assign(new Error("x".repeat(9000)), { statusCode: 500, responseBody: "y".repeat(9000) }), context);

  expect(error.message.length).toBeLessThan(700);
  expect(String(error.details["excerpt"]).length).toBe(500);
});
