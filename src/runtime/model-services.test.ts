import { describe, expect, it } from "vitest";
import { endpoint, type EndpointSpec } from "../agent/model-reference.ts";
import { secret } from "../agent/secret.ts";
import { VirtualClock } from "../base/virtual-clock.ts";
import { defaultModelTimeouts, type Model } from "../model/model.ts";
import { toFailure } from "../record/failure.ts";
import type { DurableModelPlan } from "../run/run-services.ts";
import { createModelServices } from "./model-services.ts";
import { createSecrets } from "./secrets.ts";

/** The model of an endpoint whose requests are kept and refused. */
async function open(spec: Partial<EndpointSpec>): Promise<{ readonly model: Model; readonly ask: () => Promise<Request | undefined> }> {
  const requests: Request[] = [];
  const fetch = (request: Request): Promise<Response> => {
    requests.push(request);
    return Promise.resolve(Response.json({ error: { message: "no" } }, { status: 400 }));
  };
  const services = createModelServices({
    clock: new VirtualClock(), secrets: createSecrets((name) => `value-of-${name}`), modelFor: () => null,
    endpoints: [endpoint({ name: "house", baseUrl: "http://house.invalid/v1", fetch, ...spec })],
  });
  const model = await services.resolveModel("house/m1");
  const request = { messages: [{ role: "user", text: "Hello" }] as const, outputTokensMax: 10, idempotencyKey: "k", timeouts: defaultModelTimeouts, signal: new AbortController().signal };
  const ask = async (): Promise<Request | undefined> => {
    await expect(model.complete(request)).rejects.toMatchObject({ code: "MODEL_INVALID" });
    return requests[0];
  };
  return { model, ask };
}

describe("a declared endpoint", () => {
  it.each([
    [undefined, "/v1/chat/completions", "authorization", "Bearer value-of-HOUSE_KEY"],
    ["openai-compatible", "/v1/chat/completions", "authorization", "Bearer value-of-HOUSE_KEY"],
    ["openai", "/v1/responses", "authorization", "Bearer value-of-HOUSE_KEY"],
    ["anthropic", "/v1/messages", "x-api-key", "value-of-HOUSE_KEY"],
  ] as const)("with the wire %s is asked at %s with its own key", async (wire, path, header, value) => {
    const { ask } = await open({ apiKey: secret("HOUSE_KEY"), ...(wire === undefined ? {} : { wire }) });

    const request = await ask();
    expect(new URL(request?.url ?? "").pathname).toBe(path);
    expect(request?.headers.get(header)).toBe(value);
  });

  const usage = { inputTokens: 1_000_000, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 };

  it.each<readonly [string, Partial<EndpointSpec>, number | null]>([
    ["unknown", {}, null],
    ["nothing when it is simulated", { simulated: true }, 0],
    ["what is declared", { prices: { m1: { input: 2, output: 5 } } }, 2_000_000],
    ["that of a listed model", { priceAs: "anthropic/claude-haiku-4-5" }, 1_000_000],
    ["that of a listed model, also when it is simulated", { simulated: true, priceAs: "anthropic/claude-haiku-4-5" }, 1_000_000],
  ])("has a price: %s", async (_, spec, costMicroUsd) => {
    const { model } = await open(spec);

    expect(model.costMicroUsd(usage)).toBe(costMicroUsd);
    expect(model.simulated).toBe(spec.simulated ?? false);
  });
});

describe("a model for code of the AI SDK", () => {
  it("tells no key that a provider repeats in its refusal", async () => {
    const services = createModelServices({
      clock: new VirtualClock(), secrets: createSecrets((name) => `value-of-${name}`), modelFor: () => null,
      endpoints: [endpoint({ name: "house", baseUrl: "http://house.invalid/v1", apiKey: secret("HOUSE_KEY"), fetch: async (request) => Response.json({ error: { message: `Wrong key: ${request.headers.get("authorization")?.slice(7)}` } }, { status: 401 }) })],
    });
    const perform: DurableModelPlan["perform"] = async ([candidate]) => {
      const answer = await (await candidate?.prepare())?.run({ signal: new AbortController().signal, idempotencyKey: "k", onContent: () => undefined, onLimits: () => undefined });
      return answer?.value ?? null;
    };
    const model = services.durableModel("house/m1", { outputTokensMax: 10, timeouts: defaultModelTimeouts, perform });

    const failure = await Promise.resolve(model.doGenerate({ prompt: [{ role: "user", content: [{ type: "text", text: "Hello" }] }] })).catch((error: unknown) => error);

    expect(failure).toMatchObject({ code: "MODEL_AUTH", message: expect.stringContaining("[redacted]") });
    expect(JSON.stringify(toFailure(failure))).not.toContain("value-of-HOUSE_KEY");
  });
});
