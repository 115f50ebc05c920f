import { lastUserTextOf, replyText, replyToolCall, type Script, type SimulatedRequest, toolResultsOf } from "longhaul/simulator";
import type { ReleaseFacts } from "./npm-registry.ts";
import type { Assessment, FailedAnalysis } from "./release.ts";

/** Stands in for the model: no chance, no knowledge of its own; everything it says is computed from the prompt. */
export const simulatedModel: Script = (request) => {
  const tools = new Set(request.tools.map((tool) => tool.name));
  if (tools.has("release_facts")) return playAnalyst(request);
  if (tools.has("write_file")) return playEditor(request);
  return replyText("This simulated model knows the analyst's and the editor's tools only.");
};

function playAnalyst(request: SimulatedRequest) {
  const input = JSON.parse(lastUserTextOf(request)) as { readonly package: string; readonly version: string };
  const result = toolResultsOf(request).find((candidate) => candidate.name === "release_facts");
  if (result === undefined) return replyToolCall("release_facts", input);
  // Nothing to cite, so nothing that could be accepted: it says what it got, and the verdict tells the reader of the digest.
  if (result.isError) return replyToolCall("final_answer", { ...input, risk: "high", summary: "There are no facts to assess.", citations: [{ field: "error", value: result.text }] });
  return replyToolCall("final_answer", assess(JSON.parse(result.text) as ReleaseFacts));
}

function playEditor(request: SimulatedRequest) {
  const input = JSON.parse(lastUserTextOf(request)) as EditorInput;
  const results = toolResultsOf(request);
  const temporary = `${input.path}.tmp`;
  if (!results.some((result) => result.name === "write_file")) return replyToolCall("write_file", { path: temporary, content: toMarkdown(input) });
  if (!results.some((result) => result.name === "move_file")) return replyToolCall("move_file", { source: temporary, destination: input.path });
  return replyToolCall("final_answer", { path: input.path, packages: input.assessments.length + input.failures.length });
}

/** The rules: deprecation and a new licence weigh most, then engines, then dependencies and maintainers. */
function assess(facts: ReleaseFacts): Assessment {
  const cite = (field: keyof ReleaseFacts) => ({ field, value: typeof facts[field] === "string" ? facts[field] : JSON.stringify(facts[field]) });
  const findings: { readonly weight: number; readonly text: string; readonly fields: readonly (keyof ReleaseFacts)[] }[] = [];
  if (facts.deprecated !== null) findings.push({ weight: 3, text: `it is deprecated: ${facts.deprecated}`, fields: ["deprecated"] });
  if (facts.previousVersion !== null && facts.license !== facts.previousLicense) findings.push({ weight: 3, text: `its licence changed from ${facts.previousLicense ?? "none"} to ${facts.license ?? "none"}`, fields: ["license", "previousLicense"] });
  if (facts.previousVersion !== null && facts.engines !== facts.previousEngines) findings.push({ weight: 2, text: `it wants Node ${facts.engines ?? "of any version"}`, fields: ["engines", "previousEngines"] });
  if (facts.maintainersAdded.length + facts.maintainersRemoved.length > 0) findings.push({ weight: 2, text: "its maintainers changed", fields: ["maintainersAdded", "maintainersRemoved"] });
  if (facts.dependenciesAdded.length > 0) findings.push({ weight: 1, text: `it has ${facts.dependenciesAdded.length} new dependencies`, fields: ["dependenciesAdded"] });
  if (facts.dependenciesRemoved.length > 0) findings.push({ weight: 0, text: `it dropped ${facts.dependenciesRemoved.length} dependencies`, fields: ["dependenciesRemoved"] });
  const weight = Math.max(0, ...findings.map((finding) => finding.weight));
  const what = findings.length === 0 ? "nothing that the registry tells stands out" : findings.map((finding) => finding.text).join("; ");
  const published = facts.publishedAt === null ? "" : `, published ${facts.publishedAt.slice(0, 10)}`;
  return {
    package: facts.package,
    version: facts.version,
    risk: weight >= 3 ? "high" : weight === 2 ? "medium" : "low",
    summary: `${facts.version}${facts.previousVersion === null ? "" : ` after ${facts.previousVersion}`}${published}: ${what}.`,
    citations: [cite("version"), ...findings.flatMap((finding) => finding.fields.map(cite))],
  };
}

interface EditorInput {
  readonly date: string;
  readonly path: string;
  readonly assessments: readonly Assessment[];
  readonly failures: readonly FailedAnalysis[];
  readonly waiting: number;
}

const rank = { high: 0, medium: 1, low: 2 } as const;

function toMarkdown({ date, assessments, failures, waiting }: EditorInput): string {
  const sections = assessments.toSorted((a, b) => rank[a.risk] - rank[b.risk] || a.package.localeCompare(b.package)).map(({ package: name, version, risk, summary, citations }) =>
    [`## ${name} ${version}`, "", `Risk: **${risk}**. ${summary}`, "", ...citations.map(({ field, value }) => `- ${field}: ${value}`)].join("\n"));
  const dead = failures.length === 0 ? [] : ["## Not analysed", failures.map(({ package: name, version, reason }) => `- ${name} ${version}: ${reason}`).join("\n")];
  const rest = waiting === 0 ? [] : [`${waiting} more releases wait for the next scan.`];
  return [`# Releases of ${date}`, "> Simulated: no model was asked; this is a summary by rules.", ...sections, ...dead, ...rest].join("\n\n") + "\n";
}
