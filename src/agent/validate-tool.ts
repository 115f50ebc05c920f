import { finalAnswerTool } from "../record/message.ts";
import { checkOptionNames, optionNames } from "./option-names.ts";
import { type Problem, type Report, reportTo } from "./problem.ts";
import { checkAccepts, checkApprovalWithin, checkEffect, checkNeedsApproval, checkToolName } from "./effect-check.ts";
import { checkDuration, checkFields, checkInteger, concurrencyRange, checkShownSchema, checkText, type Fields } from "./value-checks.ts";
import { validateMcp } from "./validate-mcp.ts";

const timeoutRange = { minMs: 1, maxMs: 86_400_000, text: "Use a timeout of at most 24h." };

/** Reports what is wrong with an agent's tools. */
export function validateTools(problems: Problem[], where: string, tools: readonly unknown[]): void {
  const names = new Set<unknown>();
  for (const [index, tool] of tools.entries()) {
    const field = `tools[${index}]`;
    const definition = checkFields(reportTo(problems, where), field, tool, "Make it with defineTool or mcp.");
    if (definition === null) continue;
    const { kind } = definition;
    if (kind !== "tool" && kind !== "mcp") {
      reportTo(problems, where)(field, kind ?? tool, "Make it with defineTool({ name, description, inputSchema, effect, execute }) or mcp({ name, … }).");
      continue;
    }
    const spec = checkFields(reportTo(problems, where), field, definition["spec"], "Make it with defineTool or mcp.");
    if (spec === null) continue;
    const report = reportTo(problems, `${where}, ${kind} ${typeof spec["name"] === "string" ? spec["name"] : index}`);
    const name = `${kind}:${String(spec["name"])}`;
    if (names.has(name)) report("name", spec["name"], `Another ${kind === "tool" ? "tool" : "MCP server"} of this agent has this name; rename one.`);
    names.add(name);
    if (kind === "tool") validateTool(report, spec);
    else validateMcp(report, spec);
  }
}

function validateTool(report: Report, spec: Fields): void {
  checkOptionNames(report, "", spec, optionNames.tool);
  checkToolName(report, "name", spec["name"]);
  if (spec["name"] === finalAnswerTool) report("name", finalAnswerTool, "A model hands in its output through a tool of this name; choose another.");
  checkText(report, "description", spec["description"]);
  const shown = checkShownSchema(report, "inputSchema", spec["inputSchema"]);
  if (shown !== null && shown["type"] !== "object") report("inputSchema", shown["type"], "Providers take an object as a tool's input: use z.object({ … }).");
  checkEffect(report, "effect", spec["effect"], spec["reconcile"]);
  checkAccepts(report, spec["accepts"]);
  checkDuration(report, "timeout", spec["timeout"], timeoutRange);
  checkNeedsApproval(report, "needsApproval", spec["needsApproval"]);
  checkApprovalWithin(report, spec["approvalWithin"]);
  checkInteger(report, "concurrency", spec["concurrency"], concurrencyRange);
  if (typeof spec["execute"] !== "function") report("execute", spec["execute"], "Use a function.");
}
