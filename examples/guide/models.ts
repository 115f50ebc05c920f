import { anthropic } from "@ai-sdk/anthropic";
import { defineAgent, defineTeam, endpoint, fallback, secret } from "longhaul";
import { createProviderSimulator, replyText, replyToolCall, toolResultsOf } from "longhaul/simulator";

// The snippets of docs/guide/models.md. A test holds them equal.

const hosted = defineAgent({ name: "hosted", model: "anthropic/claude-haiku-4-5", instructions: "Answer in one sentence." });
const local = defineAgent({ name: "local", model: "ollama/llama3", instructions: "Answer in one sentence." });
const object = defineAgent({ name: "object", model: anthropic("claude-haiku-4-5"), instructions: "Answer in one sentence." });

const steady = defineAgent({ name: "steady", model: fallback(["anthropic/claude-sonnet-5-5", "openai/gpt-5.2"]), instructions: "Answer in one sentence." });

const ollama = endpoint({ name: "ollama", baseUrl: "http://127.0.0.1:11434/v1", prices: { llama3: { input: 0, output: 0 } } });

const gateway = endpoint({
  name: "anthropic",
  baseUrl: "https://gateway.example/anthropic/v1",
  apiKey: secret("GATEWAY_TOKEN"),
});

const simulator = createProviderSimulator({
  script: (request) => (toolResultsOf(request).length === 0 ? replyToolCall("search", { query: "acme" }) : replyText("Acme has 120 people.")),
  faults: { ratio: 0.1, among: [{ kind: "status", status: 529 }, { kind: "cut", afterEvents: 2 }] },
  seed: "1",
});
const simulated = endpoint({ name: "simulated", wire: "anthropic", baseUrl: "http://simulator.invalid", simulated: true, priceAs: "anthropic/claude-haiku-4-5", fetch: simulator.fetch });

export const team = defineTeam({
  name: "models",
  agents: [hosted, local, object, steady],
  endpoints: [ollama, gateway, simulated],
  limits: { anthropic: { requestsPerMinute: 500, concurrency: 20 }, "anthropic/claude-haiku-4-5": { tokensPerMinute: 40_000 } },
});
