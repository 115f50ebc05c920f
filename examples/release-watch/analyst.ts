import { defineAgent, defineTool, usd } from "longhaul";
import { openRegistry } from "./npm-registry.ts";
import { provider } from "./provider.ts";
import { assessment, release } from "./release.ts";
import { settings } from "./settings.ts";

const releaseFacts = defineTool({
  name: "release_facts",
  description: "What the npm registry says of a release: date, size, and what changed in dependencies, engines, licence, maintainers and deprecation since the previous version.",
  inputSchema: release,
  effect: "read",
  timeout: settings.toolTimeout,
  execute: async ({ package: name, version, previousVersion }, { signal }) => (await openRegistry(settings.projectDirectory)).facts(name, version, previousVersion, signal),
});

/** Assesses one release from what the registry says of it. */
export const analyst = defineAgent({
  name: "analyst",
  model: provider.model,
  instructions: `You assess one release of an npm package for people who depend on it.
Call release_facts with the input as it is. Then hand in your assessment: the risk of upgrading (low, medium or high) and a summary of one or two sentences.
Cite at least one field of what release_facts returned, with its value copied exactly; write lists and numbers as JSON. State nothing that you do not cite.`,
  tools: [releaseFacts],
  input: release,
  output: assessment,
  verify: ({ input, output, transcript, accept, reject }) => {
    const results = transcript.flatMap((message) => (message.role === "tool" ? message.results : [])).filter((result) => result.toolName === "release_facts");
    const facts = results.find((result) => !result.isError)?.value;
    if (facts === undefined) return reject(results.length === 0 ? "you did not call release_facts" : `release_facts failed: ${String(results.at(-1)?.value)}`);
    if (output.package !== input.package || output.version !== input.version) return reject(`the assessment must be of ${input.package} ${input.version}`);
    const known = new Map(Object.entries(facts as Readonly<Record<string, unknown>>).map(([field, value]) => [field, typeof value === "string" ? value : JSON.stringify(value)]));
    const wrong = output.citations.filter(({ field, value }) => known.get(field) !== value);
    if (wrong.length > 0) return reject(`release_facts did not return ${wrong.map(({ field, value }) => `${field} = ${value}`).join(", ")}`);
    return accept({ cited: output.citations.map(({ field }) => field) });
  },
  limits: { concurrency: 4, turnsMax: 8, outputTokensMax: 1_500 },
  budget: { perTask: usd(settings.dollarsPerDay / 10), perDay: usd(settings.dollarsPerDay * 0.7) },
  expect: { progressWithin: settings.progressWithin },
});
