import { type EndpointDefinition, endpoint, type ModelReference } from "longhaul";
import { createProviderSimulator } from "longhaul/simulator";
import { settings } from "./settings.ts";
import { simulatedModel } from "./simulated-model.ts";

export interface Provider {
  readonly model: ModelReference;
  readonly simulated: boolean;
  readonly endpoints: readonly EndpointDefinition[];
  /** One line for the user: who answers, and what it may cost. */
  readonly notice: string;
}

const capText = `$${settings.dollarsPerDay.toFixed(2)} a day`;

/** A real provider when there is a key, else the provider simulator. */
export const provider: Provider = chooseProvider(process.env);

function chooseProvider(environment: NodeJS.ProcessEnv): Provider {
  if (environment["ANTHROPIC_API_KEY"]) return real("anthropic/claude-haiku-4-5");
  if (environment["OPENAI_API_KEY"]) return real("openai/gpt-5-mini");
  return simulated(environment["RELEASE_WATCH_SIMULATOR"] ?? null);
}

function real(model: `${string}/${string}`): Provider {
  return { model, simulated: false, endpoints: [], notice: `Model: ${model}, with the key from your environment. It stops at ${capText}.` };
}

/** In this process, or at the address of a simulator that runs elsewhere (the demo counts its calls there). */
function simulated(url: string | null): Provider {
  const common = { name: "simulator", wire: "anthropic", simulated: true, priceAs: "anthropic/claude-haiku-4-5" } as const;
  const here = createProviderSimulator({ script: simulatedModel });
  return {
    model: "simulator/release-watch",
    simulated: true,
    endpoints: [url === null ? endpoint({ ...common, baseUrl: "http://127.0.0.1/v1", fetch: (request) => here.fetch(request) }) : endpoint({ ...common, baseUrl: url })],
    notice: "No ANTHROPIC_API_KEY or OPENAI_API_KEY: the provider simulator answers by rules. Every digest and record says so; the costs are what a real model would have charged.",
  };
}
