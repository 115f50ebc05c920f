import type { Fault } from "../src/lab/provider/fault.ts";
import { createProviderSimulator } from "../src/lab/provider/provider-simulator.ts";
import { replyRefusal, replyText, replyToolCalls, type SimulatedReply } from "../src/lab/provider/simulated-reply.ts";
import { type ModelScenario, testModel } from "../src/model/model.testsuite.ts";
import { createModelRegistry } from "../src/model/registry.ts";

/** The port's contract, through the real provider libraries, answered by the provider simulator. */
for (const reference of ["anthropic/claude-opus-5-5", "openai/gpt-5.2", "openai/o4-mini", "ollama/llama3"]) {
  testModel({
    name: `${reference} over the provider simulator`,
    async create(scenario, clock) {
      const simulator = createProviderSimulator({ clock, script: () => replyOf(scenario), faults: () => faultOf(scenario) });
      const provider = reference.split("/")[0] ?? "";
      const endpoint = { baseUrl: "http://simulator.test/v1", simulated: true, fetch: (request: Request) => simulator.fetch(request) };
      const model = await createModelRegistry({ clock, secret: () => undefined, endpoints: { [provider]: endpoint } }).resolve(reference);
      return { model, close: async () => simulator.close() };
    },
  });
}

function replyOf(scenario: ModelScenario): SimulatedReply {
  switch (scenario.answer) {
    case "text":
      return replyText(scenario.text);
    case "truncated":
      return { ...replyText(scenario.text), stopReason: "length" };
    case "tool-calls":
      return replyToolCalls(scenario.calls.map(({ toolName, input }) => ({ name: toolName, input })));
    case "refusal":
      return replyRefusal("I cannot help with that.");
    default:
      return replyText("not reached");
  }
}

function faultOf(scenario: ModelScenario): Fault | undefined {
  if (scenario.answer === "throttled") return { kind: "status", status: 429, retryAfter: String(scenario.afterMs / 1000) };
  if (scenario.answer === "unauthorized") return { kind: "status", status: 401 };
  return scenario.answer === "hang" ? { kind: "hang" } : undefined;
}
