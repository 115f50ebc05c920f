import { checkAccepts } from "./effect-check.ts";
import { checkOptionNames, optionNames } from "./option-names.ts";
import { type Problem, type Report, reportTo } from "./problem.ts";
import { checkFallback } from "./validate-fallback.ts";
import { validateModel } from "./validate-model.ts";
import { validateOrder } from "./validate-order.ts";
import { validateTools } from "./validate-tool.ts";
import { validateTrigger } from "./validate-trigger.ts";
import { checkDuration, checkFields, checkFunction, checkInteger, checkJsonObject, checkList, checkMoney, checkName, checkNumber, checkSchema, checkShownSchema, checkText, type Fields } from "./value-checks.ts";

const modelOnly = ["instructions", "prompt", "tools", "verifyAttempts", "temperature", "providerOptions"] as const;
const day = 86_400_000;

/** The ranges of the limits that are whole numbers. */
const limitRanges = {
  concurrency: { min: 1, max: 1000 },
  queueMax: { min: 1, max: 1_000_000 },
  turnsMax: { min: 1, max: 1000 },
  toolCallsMax: { min: 1, max: 1000 },
  outputTokensMax: { min: 1, max: 1_000_000 },
  fanOutMax: { min: 1, max: 10_000 },
} as const;
const callTimeoutRange = { minMs: 1000, maxMs: day, text: "Use a time from 1s to 1d." };
const activeTimeRange = { minMs: 1000, maxMs: 30 * day, text: "Use a time from 1s to 30d." };
const deadlineRange = { minMs: 1000, maxMs: 365 * day, text: "Use a deadline from 1s to 365d." };
const progressRange = { minMs: 1000, maxMs: 365 * day, text: "Use a time from 1s to 365d." };
const verifyAttemptsRange = { min: 0, max: 20 };
const temperatureRange = { min: 0, max: 2 };

/** Reports what is wrong with one agent or flow. `providers` are the names that a model reference may begin with. */
export function validateAgent(problems: Problem[], where: string, kind: "agent" | "flow", spec: Fields, providers: readonly string[]): void {
  const report = reportTo(problems, where);
  checkOptionNames(report, "", spec, optionNames.agent);
  checkName(report, "name", spec["name"]);
  if (spec["description"] !== undefined) checkText(report, "description", spec["description"]);
  if (spec["input"] !== undefined) checkSchema(report, "input", spec["input"]);
  checkFunction(report, "verify", spec["verify"]);
  checkAccepts(report, spec["accepts"]);
  checkFallback(report, spec["name"], spec["fallback"]);
  checkLimits(report, spec["limits"]);
  checkBudget(report, spec["budget"]);
  checkExpectations(report, spec["expect"]);
  for (const [index, trigger] of checkList(report, "triggers", spec["triggers"]).entries()) validateTrigger(report, `triggers[${index}]`, trigger, spec["input"]);
  if (kind === "agent" && spec["model"] !== undefined && spec["run"] === undefined) checkModelWork(problems, where, spec, providers);
  else checkCodeWork(report, kind, spec);
  validateOrder(problems, where, spec);
}

function checkModelWork(problems: Problem[], where: string, spec: Fields, providers: readonly string[]): void {
  const report = reportTo(problems, where);
  validateModel(report, spec["model"], providers);
  if (typeof spec["instructions"] !== "function") checkText(report, "instructions", spec["instructions"]);
  checkFunction(report, "prompt", spec["prompt"]);
  if (spec["output"] !== undefined) checkShownSchema(report, "output", spec["output"]);
  checkInteger(report, "verifyAttempts", spec["verifyAttempts"], verifyAttemptsRange);
  checkNumber(report, "temperature", spec["temperature"], temperatureRange);
  checkJsonObject(report, "providerOptions", spec["providerOptions"]);
  validateTools(problems, where, checkList(report, "tools", spec["tools"]));
}

function checkCodeWork(report: Report, kind: "agent" | "flow", spec: Fields): void {
  if (spec["output"] !== undefined) checkSchema(report, "output", spec["output"]);
  if (kind === "flow") {
    if (typeof spec["run"] !== "function") report("run", spec["run"], "Give the flow its durable code: run: async (ctx, input) => ….");
    if (spec["model"] !== undefined) report("model", spec["model"], "A flow is code; a worker with a model is made with defineAgent.");
  } else if (spec["run"] === undefined) {
    report("model", spec["model"], 'Give exactly one of model ("anthropic/claude-sonnet-5-5") and run (durable code).');
    return;
  } else if (spec["model"] !== undefined) {
    report("run", spec["run"], "Give exactly one of model and run; code reaches models by ctx.model.");
    return;
  } else if (typeof spec["run"] !== "function") report("run", spec["run"], "Use a function.");
  for (const field of modelOnly) {
    if (spec[field] !== undefined) report(field, spec[field], "It belongs to a worker with a model; remove it.");
  }
}

function checkLimits(report: Report, value: unknown): void {
  if (value === undefined) return;
  const limits = checkFields(report, "limits", value, "Use an object.");
  if (limits === null) return;
  checkOptionNames(report, "limits.", limits, optionNames.limits);
  for (const [name, range] of Object.entries(limitRanges)) checkInteger(report, `limits.${name}`, limits[name], range);
  for (const name of ["firstChunkTimeout", "betweenChunksTimeout", "modelCallTimeout", "verifyTimeout"]) checkDuration(report, `limits.${name}`, limits[name], callTimeoutRange);
  checkDuration(report, "limits.activeTime", limits["activeTime"], activeTimeRange);
  checkDuration(report, "limits.deadline", limits["deadline"], deadlineRange);
}

function checkBudget(report: Report, value: unknown): void {
  if (value === undefined) return;
  const budget = checkFields(report, "budget", value, "Use an object such as { perTask: usd(0.25), perDay: usd(5) }.");
  if (budget === null) return;
  checkOptionNames(report, "budget.", budget, optionNames.budget);
  const perTask = checkMoney(report, "budget.perTask", budget["perTask"]);
  const perDay = checkMoney(report, "budget.perDay", budget["perDay"]);
  if (perTask !== null && perDay !== null && perTask > perDay) report("budget.perTask", budget["perTask"], "It is above budget.perDay, so it could never be used; lower it or raise perDay.");
}

function checkExpectations(report: Report, value: unknown): void {
  if (value === undefined) return;
  const expectations = checkFields(report, "expect", value, 'Use an object such as { progressWithin: "2h" }.');
  if (expectations === null) return;
  checkOptionNames(report, "expect.", expectations, optionNames.expect);
  checkDuration(report, "expect.progressWithin", expectations["progressWithin"], progressRange);
}
