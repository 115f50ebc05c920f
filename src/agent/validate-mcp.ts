import { checkAccepts, checkApprovalWithin, checkEffect, checkNeedsApprovalByName, checkToolName } from "./effect-check.ts";
import { checkOptionNames, optionNames } from "./option-names.ts";
import { type Problem, type Report, reportTo } from "./problem.ts";
import { checkDuration, checkFields, checkInteger, checkList, concurrencyRange, checkText, checkTexts, checkUrl, type Fields } from "./value-checks.ts";

const commandOnly = ["args", "env", "cwd"] as const;

/** Reports what is wrong with the options of one MCP server. Whether its tools exist is known when it is asked. */
export function validateMcp(report: Report, spec: Fields): void {
  checkOptionNames(report, "", spec, optionNames.mcp);
  checkToolName(report, "name", spec["name"]);
  checkTransport(report, spec);
  checkDuration(report, "connectTimeout", spec["connectTimeout"]);
  checkDuration(report, "requestTimeout", spec["requestTimeout"]);
  checkAccepts(report, spec["accepts"]);
  checkInteger(report, "concurrency", spec["concurrency"], concurrencyRange);
  const allowed = spec["allow"] === undefined ? null : checkList(report, "allow", spec["allow"]);
  if (Array.isArray(spec["allow"]) && spec["allow"].length === 0) report("allow", [], "Name at least one tool, or leave it out to show all.");
  for (const [index, name] of (allowed ?? []).entries()) checkText(report, `allow[${index}]`, name);
  if (spec["pin"] !== undefined && typeof spec["pin"] !== "boolean") report("pin", spec["pin"], "Use true or false.");
  checkEffects(report, spec["effects"], allowed);
  checkApprovalWithin(report, spec["approvalWithin"]);
  const { needsApproval } = spec;
  if (needsApproval !== undefined && needsApproval !== true) checkNeedsApprovalByName(report, needsApproval, allowed, "`allow` does not name this tool; add it there, or remove this.");
}

/**
 * Reports MCP servers of one name that are reached in different ways: what is pinned of the tools of the one would hold back those of the other, and the failures of the one would keep the
 * other from being called. Agents may be shown different tools of one server.
 */
export function checkServerNames(problems: Problem[], workers: readonly { readonly where: string; readonly spec: Fields }[]): void {
  const known = new Map<unknown, { readonly where: string; readonly way: string }>();
  for (const { where, spec } of workers) {
    for (const tool of checkList(() => undefined, "tools", spec["tools"]) as readonly (Fields | null)[]) {
      if (tool?.["kind"] !== "mcp") continue;
      const { name, url, command, args = [], cwd } = checkFields(() => undefined, "options", tool["spec"], "") ?? {};
      const way = JSON.stringify([url, command, args, cwd]);
      const first = known.get(name);
      if (first === undefined) known.set(name, { where, way });
      else if (first.way !== way) reportTo(problems, `${where}, mcp ${String(name)}`)("name", name, `${first.where} has another server of this name, at another url or command; rename one.`);
    }
  }
}

function checkTransport(report: Report, spec: Fields): void {
  const { command, url } = spec;
  if ((command === undefined) === (url === undefined)) {
    report(command === undefined ? "command" : "url", command ?? url, "Give exactly one of command (a local server) and url (a remote one).");
    return;
  }
  if (command === undefined) {
    checkUrl(report, "url", url);
    checkTexts(report, "headers", spec["headers"]);
    for (const field of commandOnly) {
      if (spec[field] !== undefined) report(field, "(given)", "It belongs to command; remove it.");
    }
    return;
  }
  checkText(report, "command", command);
  if (spec["headers"] !== undefined) report("headers", "(given)", "It belongs to url; remove it.");
  for (const [index, argument] of checkList(report, "args", spec["args"]).entries()) {
    if (typeof argument !== "string") report(`args[${index}]`, argument, "Use a text.");
  }
  checkTexts(report, "env", spec["env"]);
  if (spec["cwd"] !== undefined) checkText(report, "cwd", spec["cwd"]);
}

function checkEffects(report: Report, value: unknown, allowed: readonly unknown[] | null): void {
  if (value === undefined) return;
  const effects = checkFields(report, "effects", value, "Use an object of tool names and effects.");
  for (const [name, effect] of Object.entries(effects ?? {})) {
    const field = `effects.${name}`;
    if (allowed !== null && !allowed.includes(name)) report(field, effect, "`allow` does not name this tool; add it there, or remove this.");
    if (typeof effect === "object" && effect !== null) {
      const { effect: declared, reconcile } = effect as Fields;
      checkOptionNames(report, `${field}.`, effect, optionNames.mcpEffect);
      checkEffect((part, given, remedy) => report(`${field}.${part}`, given, remedy), "effect", declared, reconcile);
    } else checkEffect(report, field, effect, undefined);
  }
}
