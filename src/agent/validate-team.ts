import { LonghaulError } from "../base/error.ts";
import { checkOptionNames, optionNames } from "./option-names.ts";
import { describeProblem, type Problem, type Report, reportTo } from "./problem.ts";
import type { TeamDefinition } from "./team-definition.ts";
import { validateAgent } from "./validate-agent.ts";
import { validateBackup } from "./validate-backup.ts";
import { validateEndpoint } from "./validate-endpoint.ts";
import { checkFallbackNames } from "./validate-fallback.ts";
import { validateLimits } from "./validate-limits.ts";
import { checkServerNames } from "./validate-mcp.ts";
import { builtInProviders } from "./validate-model.ts";
import { validateRetention } from "./validate-retention.ts";
import { validateNotifier } from "./validate-notifier.ts";
import { checkFields, checkList, checkName, type Fields } from "./value-checks.ts";

/** Everything that can be known to be wrong before the team runs, in the order of the definitions. Empty: the team is sound. */
export function validateTeam(team: unknown): readonly Problem[] {
  const problems: Problem[] = [];
  const report = reportTo(problems, "team");
  const definition = checkFields(report, "default export", team, "Write `export default defineTeam({ name, agents: [ … ] })`.");
  if (definition === null) return problems;
  if (definition["kind"] !== "team") {
    report("default export", definition["kind"] ?? "an object", "Write `export default defineTeam({ name, agents: [ … ] })`.");
    return problems;
  }
  const spec = checkFields(report, "options", definition["spec"], "Make it with defineTeam.");
  if (spec === null) return problems;
  checkOptionNames(report, "", spec, optionNames.team);
  checkName(report, "name", spec["name"]);
  validateRetention(report, spec["retention"]);
  checkWorkers(problems, spec);
  checkNamed(problems, spec, "endpoints", "endpoint", validateEndpoint);
  checkNamed(problems, spec, "notify", "notifier", validateNotifier);
  validateBackup(report, spec["backup"]);
  return problems;
}

/**
 * The team, when nothing is wrong with it.
 * @throws {TEAM_INVALID} with every problem at once, one line each; `details.problems` has them as data.
 */
export function assertTeam(team: unknown): TeamDefinition {
  const problems = validateTeam(team);
  if (problems.length === 0) return team as TeamDefinition;
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  throw new LonghaulError("TEAM_INVALID", `The team has ${count}:\n${problems.map((problem) => `  - ${describeProblem(problem)}`).join("\n")}`, {
    details: { problems: problems.map((problem) => ({ ...problem })) },
  });
}

function checkWorkers(problems: Problem[], spec: Fields): void {
  const report = reportTo(problems, "team");
  const agents = checkList(report, "agents", spec["agents"]);
  const flows = checkList(report, "flows", spec["flows"]);
  if (spec["agents"] === undefined) report("agents", undefined, "Use a list.");
  else if (agents.length + flows.length === 0) report("agents", spec["agents"], "Name at least one agent or flow.");
  const providers = [...new Set([...builtInProviders, ...listNames(spec["endpoints"])])];
  validateLimits(report, spec["limits"], [...new Set([...providers, ...[...agents, ...flows].flatMap(providersOf)])]);
  const names = new Set<string>();
  const sound: { readonly where: string; readonly spec: Fields }[] = [];
  const groups = [{ kind: "agent", field: "agents", workers: agents }, { kind: "flow", field: "flows", workers: flows }] as const;
  for (const { kind, field, workers } of groups) {
    for (const [index, worker] of workers.entries()) {
      const workerSpec = checkWorker(report, `${field}[${index}]`, kind, worker);
      if (workerSpec === null) continue;
      const { name } = workerSpec;
      const where = `${kind} ${typeof name === "string" && name !== "" ? name : `${index}`}`;
      if (typeof name === "string" && names.has(name)) reportTo(problems, where)("name", name, "Another agent or flow of the team has this name; rename one.");
      if (typeof name === "string") names.add(name);
      validateAgent(problems, where, kind, workerSpec, providers);
      sound.push({ where, spec: workerSpec });
    }
  }
  checkFallbackNames(problems, sound, names);
  checkServerNames(problems, sound);
}

function checkWorker(report: Report, field: string, kind: "agent" | "flow", worker: unknown): Fields | null {
  const make = kind === "agent" ? "defineAgent" : "defineFlow";
  const definition = checkFields(report, field, worker, `Make it with ${make}.`);
  if (definition === null) return null;
  const isOther = definition["kind"] === (kind === "agent" ? "flow" : "agent");
  if (definition["kind"] !== kind) {
    report(field, definition["kind"] ?? "an object", isOther ? `It is made with ${kind === "agent" ? "defineFlow" : "defineAgent"}; name it in \`${kind === "agent" ? "flows" : "agents"}\`.` : `Make it with ${make}.`);
    return null;
  }
  return checkFields(report, field, definition["spec"], `Make it with ${make}.`);
}

/** Checks each entry of a list whose entries have names that must differ. */
function checkNamed(problems: Problem[], spec: Fields, field: string, noun: string, validateEntry: (report: Report, entry: Fields) => void): void {
  const names = new Set<unknown>();
  for (const [index, value] of checkList(reportTo(problems, "team"), field, spec[field]).entries()) {
    const entry = checkFields(reportTo(problems, "team"), `${field}[${index}]`, value, `Make it with ${noun === "endpoint" ? "endpoint(…)" : "webhook(…) or consoleNotifier()"}.`);
    if (entry === null) continue;
    const name = entry["name"];
    const report = reportTo(problems, `${noun} ${typeof name === "string" && name !== "" ? name : `${index}`}`);
    if (names.has(name)) report("name", name, `Another ${noun} of the team has this name; rename one.`);
    names.add(name);
    validateEntry(report, entry);
  }
}

/** The provider of an AI SDK model, which needs no endpoint. */
function providersOf(worker: unknown): readonly string[] {
  const provider = (worker as { readonly spec?: { readonly model?: { readonly provider?: unknown } } } | null)?.spec?.model?.provider;
  return typeof provider === "string" ? [provider.split(".")[0] ?? provider] : [];
}

function listNames(endpoints: unknown): readonly string[] {
  return (Array.isArray(endpoints) ? endpoints : []).flatMap((endpoint: unknown) => {
    const name: unknown = typeof endpoint === "object" && endpoint !== null ? (endpoint as Fields)["name"] : undefined;
    return typeof name === "string" && name !== "" ? [name] : [];
  });
}
