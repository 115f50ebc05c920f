import { MockLanguageModelV4 } from "ai/test";
import { expect, test } from "vitest";
import { VirtualClock } from "../base/virtual-clock.ts";
import { anthropicBeginning, anthropicEnd } from "./wire-server.testsuite.ts";
import { fixedPrice } from "./model-price.ts";
import { modelRequest } from "./model.testsuite.ts";
import { createModelRegistry } from "./registry.ts";

const clock = new VirtualClock();
const noSecrets = (): undefined => undefined;

/** Answers in this process, as the provider simulator does. */
function handler() {
  const requests: { readonly url: string; readonly headers: Record<string, string>; readonly body: string }[] = [];
  const fetch = async (request: Request): Promise<Response> => {
    requests.push({ url: request.url, headers: Object.fromEntries(request.headers), body: await request.text() });
    const events = [...anthropicBeginning, ...anthropicEnd].map((event) => `event: ${String(event["type"])}\ndata: ${JSON.stringify(event)}\n\n`);
    return new Response(events.join(""), { headers: { "content-type": "text/event-stream" } });
  };
  return { requests, fetch };
}

test("a missing key names the variable, and is found once it is set", async () => {
  const keys: Record<string, string> = {};
  const registry = createModelRegistry({ clock, secret: (name) => keys[name] });

  await expect(registry.resolve("anthropic/claude-opus-5-5")).rejects.toMatchObject({ code: "MODEL_AUTH", message: "anthropic/claude-opus-5-5 has no key. Set the environment variable ANTHROPIC_API_KEY." });
  keys["OPENAI_API_KEY"] = " ";
  await expect(registry.resolve("openai/gpt-5.2")).rejects.toThrow("OPENAI_API_KEY");

  keys["ANTHROPIC_API_KEY"] = "k";
  await expect(registry.resolve("anthropic/claude-opus-5-5")).resolves.toMatchObject({ id: "anthropic/claude-opus-5-5", provider: "anthropic", simulated: false });
});

test("a rotated key counts from the next request on, and a lost one is a missing key", async () => {
  let key: string | undefined = "first";
  const { requests, fetch } = handler();
  const registry = createModelRegistry({ clock, secret: (name) => (name === "ANTHROPIC_API_KEY" ? key : undefined), endpoints: { anthropic: { baseUrl: "http://sim.test/v1", fetch } } });
  const model = await registry.resolve("anthropic/claude-opus-5-5");

  await model.complete(modelRequest());
  key = "second";
  await model.complete(modelRequest());
  key = undefined;

  await expect(model.complete(modelRequest())).rejects.toMatchObject({ code: "MODEL_AUTH" });
  expect(requests.map(({ headers }) => headers["x-api-key"])).toEqual(["first", "second"]);
  expect(requests[0]?.url).toBe("http://sim.test/v1/messages");
});

test("an endpoint's own key may be a function, which is asked for every request", async () => {
  let key = "one";
  const { requests, fetch } = handler();
  const registry = createModelRegistry({ clock, secret: noSecrets, endpoints: { acme: { baseUrl: "http://sim.test/v1", wire: "anthropic", fetch, apiKey: () => key } } });
  const model = await registry.resolve("acme/m");

  await model.complete(modelRequest());
  key = "two";
  await model.complete(modelRequest());

  expect(requests.map(({ headers }) => headers["x-api-key"])).toEqual(["one", "two"]);
});

test("a model that cannot be asked is found without loading anything: no key, an address that no request can be made to", () => {
  const registry = (values: Readonly<Record<string, string>>) => createModelRegistry({ clock, secret: (name) => values[name], endpoints: { open: { baseUrl: "http://open.test/v1" } } });

  expect(() => registry({}).check("anthropic/claude-haiku-4-5")).toThrow("ANTHROPIC_API_KEY");
  expect(() => registry({ ANTHROPIC_API_KEY: "k" }).check("anthropic/claude-haiku-4-5")).not.toThrow();
  expect(() => registry({}).check("open/any")).not.toThrow();
  const withPassword = registry({ ANTHROPIC_API_KEY: "k", ANTHROPIC_BASE_URL: "http://me:hidden@proxy.test:4017/v1" });
  expect(() => withPassword.check("anthropic/claude-haiku-4-5")).toThrow(expect.objectContaining({ code: "OPTION_INVALID", message: expect.stringMatching(/^(?!.*hidden).*proxy\.test:4017.*no request can be made/) as string }));
});

test("a key that no header may hold is refused before anything is sent, is not tried again and is not shown", async () => {
  const { requests, fetch } = handler();
  const endpoint = { baseUrl: "http://sim.test/v1", fetch, apiKey: "two\nhidden-lines" };
  const registry = createModelRegistry({ clock, secret: noSecrets, endpoints: { a: { ...endpoint, wire: "anthropic" }, o: { ...endpoint, wire: "openai" } } });

  for (const reference of ["a/m", "o/m"]) {
    const refused = await (await registry.resolve(reference)).complete(modelRequest()).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "MODEL_AUTH", retry: "never", message: expect.not.stringContaining("hidden") as string });
  }
  expect(requests).toEqual([]);
});

test("a simulated endpoint needs no key and charges nothing, unless it is priced as another model", async () => {
  const { fetch } = handler();
  const registry = createModelRegistry({
    clock,
    secret: noSecrets,
    endpoints: {
      anthropic: { baseUrl: "http://sim.test/v1", fetch, simulated: true },
      priced: { baseUrl: "http://sim.test/v1", wire: "anthropic", fetch, simulated: true, priceAs: "anthropic/claude-opus-5-5" },
      wrong: { baseUrl: "http://sim.test/v1", fetch, simulated: true, priceAs: "anthropic/claude-nothing" },
    },
  });
  const free = await registry.resolve("anthropic/claude-opus-5-5");
  const priced = await registry.resolve("priced/any");

  expect(free).toMatchObject({ simulated: true });
  expect(free.estimateMicroUsd(modelRequest())).toBe(0);
  expect(await free.complete(modelRequest())).toMatchObject({ costMicroUsd: 0 });
  expect(priced.estimateMicroUsd(modelRequest({ outputTokensMax: 1000 }))).toBeGreaterThan(20_000);
  expect(await priced.complete(modelRequest())).toMatchObject({ costMicroUsd: 261 });
  await expect(registry.resolve("wrong/any")).rejects.toThrow('priceAs is "anthropic/claude-nothing"');
});

test("a model without a listed price costs null, or what was declared for it", async () => {
  const { fetch } = handler();
  const endpoint = { baseUrl: "http://sim.test/v1", wire: "anthropic", fetch, apiKey: "k" } as const;
  const registry = createModelRegistry({ clock, secret: noSecrets, endpoints: { acme: { ...endpoint, prices: { large: fixedPrice({ input: 1, output: 2 }) } } } });

  const small = await registry.resolve("acme/small");
  const large = await registry.resolve("acme/large");

  expect(small.estimateMicroUsd(modelRequest())).toBe(0);
  expect(await small.complete(modelRequest())).toMatchObject({ costMicroUsd: null });
  expect(await large.complete(modelRequest())).toMatchObject({ costMicroUsd: 25 + 18 });
});

test("an endpoint without a key sends none, and its headers are sent", async () => {
  const { requests, fetch } = handler();
  const registry = createModelRegistry({ clock, secret: noSecrets, endpoints: { ollama: { baseUrl: "http://sim.test/v1", fetch, headers: { "x-team": "a" } }, local: { baseUrl: "http://sim.test/v1", wire: "openai", fetch } } });

  for (const reference of ["ollama/library/llama3", "local/m"]) await (await registry.resolve(reference)).complete(modelRequest()).catch(() => "the answer is on another wire");

  expect(requests[0]).toMatchObject({ url: "http://sim.test/v1/chat/completions", headers: { "x-team": "a" } });
  expect(requests[0]?.headers["authorization"]).toBeUndefined();
  expect(JSON.parse(requests[0]?.body ?? "")).toMatchObject({ model: "library/llama3", stream_options: { include_usage: true } });
  expect(requests[1]?.headers["authorization"]).toBeUndefined();
  expect(JSON.parse(requests[1]?.body ?? "")).toMatchObject({ store: false });
});

test("the base address may come from the provider's variable", async () => {
  const { requests, fetch } = handler();
  const secrets: Readonly<Record<string, string>> = { ANTHROPIC_API_KEY: "k", ANTHROPIC_BASE_URL: "http://proxy.test/v1" };
  const original = globalThis.fetch;
  globalThis.fetch = (input, init) => fetch(new Request(input, init));
  try {
    await (await createModelRegistry({ clock, secret: (name) => secrets[name] }).resolve("anthropic/claude-opus-5-5")).complete(modelRequest());
  } finally {
    globalThis.fetch = original;
  }

  expect(requests[0]?.url).toBe("http://proxy.test/v1/messages");
});

test.each([
  ["gpt-5", 'The model "gpt-5" names no provider'],
  ["nobody/m", 'unknown provider "nobody". Known: anthropic, openai, ollama.'],
  ["ollama/", "Known:"],
  ["constructor/m", 'unknown provider "constructor"'],
])("the reference %s is refused with what is known", async (reference, message) => {
  const registry = createModelRegistry({ clock, secret: noSecrets, endpoints: { ollama: { baseUrl: "http://127.0.0.1:11434/v1" } } });

  const failure: unknown = await registry.resolve(reference).catch((error: unknown) => error);

  expect(failure).toMatchObject({ code: "OPTION_INVALID" });
  expect(String(failure)).toContain(message);
  expect(String(failure)).toContain("endpoint({ name, baseUrl");
});

test("an address that is none and a model of an older SDK are refused", async () => {
  const registry = createModelRegistry({ clock, secret: noSecrets, endpoints: { bad: { baseUrl: "localhost:11434" } } });
  const old = Object.assign(new MockLanguageModelV4(), { specificationVersion: "v3" }) as unknown as MockLanguageModelV4;

  await expect(registry.resolve("bad/m")).rejects.toThrow('baseUrl of the endpoint "bad" is "localhost:11434"');
  await expect(registry.resolve(old)).rejects.toThrow("specificationVersion v3");
});

test("a reference gives the same model each time, and SDK models are taken as they are", async () => {
  const registry = createModelRegistry({ clock, secret: (name) => (name.endsWith("_KEY") ? "k" : undefined) });
  const own = new MockLanguageModelV4({ provider: "anthropic.messages", modelId: "claude-opus-5-5" });

  expect(await registry.resolve("openai/gpt-5.2")).toBe(await registry.resolve("openai/gpt-5.2"));
  expect(await registry.resolve(own)).toBe(await registry.resolve(own));
  expect(await registry.resolveLanguageModel(own)).toBe(own);
  expect(await registry.resolveLanguageModel("openai/gpt-5.2")).toMatchObject({ specificationVersion: "v4", modelId: "gpt-5.2" });
  const model = await registry.resolve(own);
  expect(model.id).toBe("anthropic/claude-opus-5-5");
  expect(model.estimateMicroUsd(modelRequest())).toBeGreaterThan(0);
});

test("an account is the provider, its address and the key that counts now, which it does not show", async () => {
  const keys: Record<string, string> = { OPENAI_API_KEY: "sk-one" };
  const { fetch } = handler();
  const registry = createModelRegistry({ clock, secret: (name) => keys[name], endpoints: { house: { baseUrl: "http://house.test:8000/v1", fetch }, far: { baseUrl: "https://far.test", apiKey: "sk-one", fetch } } });
  const [small, large, house, far] = await Promise.all(["openai/small", "openai/large", "house/m", "far/m"].map((reference) => registry.resolve(reference)));
  const first = small?.account;

  expect(first).toMatch(/^openai api\.openai\.com\/v1 [0-9a-f]{8}$/);
  expect(large?.account).toBe(first);
  expect(house?.account).toBe("house house.test:8000/v1 without a key");
  expect(far?.account).toBe(`far far.test ${first?.slice(-8)}`);
  keys["OPENAI_API_KEY"] = "sk-two";
  expect(small?.account).not.toBe(first);
  expect(small?.account).toBe(large?.account);
  delete keys["OPENAI_API_KEY"];
  expect(small?.account).toBe("openai api.openai.com/v1 without a key");
});
