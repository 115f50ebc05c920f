import { defineAgent, defineTeam, defineTool, every } from "longhaul";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { contextOptionNames, optionNames } from "../../src/agent/option-names.ts";
import { validateTeam } from "../../src/agent/validate-team.ts";
import { deliveryDefaults } from "../../src/act/outbox.ts";
import { textLengthMax } from "../../src/base/cut-text.ts";
import { parseDuration } from "../../src/base/duration.ts";
import { jsonDepthMax } from "../../src/base/json.ts";
import { formatUsd } from "../../src/base/money.ts";
import { defaultEngineLimits } from "../../src/engine/limits.ts";
import { defaultModelTimeouts } from "../../src/model/model.ts";
import { retentionDefaults } from "../../src/policy/retention.ts";
import { retryDefaults } from "../../src/policy/retry.ts";
import { limiterDefaults } from "../../src/policy/scope.ts";
import { spendDefaults } from "../../src/policy/spend-watch.ts";
import { causeDepthMax, detailsMax } from "../../src/record/failure.ts";
import { nameLengthMax, noteBytesMax, priorityMax } from "../../src/run/context-arguments.ts";
import { compensationsMax } from "../../src/run/compensation.ts";
import { deliverForMs } from "../../src/runtime/alerting.ts";
import { teamBackupDefaults } from "../../src/runtime/team-backup.ts";
import { listedTasks } from "../../src/runtime/retention.ts";
import { depthMax, workerDefaults } from "../../src/run/worker.ts";
import { listedPagesMax, listedToolsMax, shownBytesMax, shownToolsMax } from "../../src/tool/mcp-catalogue.ts";
import { messageBytesMax } from "../../src/tool/mcp-http.ts";
import { defaultConnectTimeoutMs, defaultRequestTimeoutMs } from "../../src/tool/mcp-spec.ts";
import { defaultApprovalWithinMs, defaultToolTimeoutMs, toolResultBytesMax } from "../../src/tool/tool.ts";
import { codeOf, readText, sectionOf, tableRows } from "./markdown.ts";

const page = readText("docs/reference/options.md");

const headings: Readonly<Record<keyof typeof optionNames, string>> = {
  team: "## defineTeam",
  accountLimits: "### limits of a team",
  backup: "### backup of a team",
  retention: "### retention of a team",
  agent: "## defineAgent and defineFlow",
  limits: "## limits",
  budget: "## budget",
  expect: "## expect",
  tool: "## defineTool",
  mcp: "## mcp",
  mcpEffect: "### effects of an mcp tool",
  every: "## every",
  cron: "## cron",
  on: "## on",
  poll: "## poll",
  endpoint: "## endpoint",
  webhook: "## webhook",
  console: "## consoleNotifier",
  secret: "## secret",
};

interface Row {
  readonly option: string;
  readonly type: string;
  readonly default: string;
  readonly meaning: string;
}

function rowsOf(heading: string): readonly Row[] {
  return tableRows(sectionOf(page, heading)).map(([option, type = "", standard = "", meaning = ""]) => ({ option: codeOf(option), type, default: standard, meaning }));
}

function defaultOf(kind: keyof typeof optionNames, option: string): string | undefined {
  return rowsOf(headings[kind]).find((row) => row.option === option)?.default;
}

/** "7d", "10m", "5s". */
function compact(ms: number): string {
  const unit = (["d", "h", "m", "s"] as const).find((candidate) => ms % parseDuration(`1${candidate}`, "unit") === 0) ?? "ms";
  return `${ms / parseDuration(`1${unit}`, "unit")}${unit}`;
}

describe("docs/reference/options.md", () => {
  it.each(Object.entries(optionNames))("lists the options of %s and no others", (kind, names) => {
    const listed = rowsOf(headings[kind as keyof typeof optionNames]).map(({ option }) => option);

    expect(listed.toSorted()).toEqual(Object.keys(names).filter((name) => name !== "kind").toSorted());
  });

  it("lists the options of the methods of ctx and no others", () => {
    const rows = rowsOf("## ctx");

    expect(rows.map(({ option }) => option)).toEqual(Object.entries(contextOptionNames).flatMap(([method, names]) => Object.keys(names).map((name) => `${method}.${name}`)));
    expect(rows.filter(({ option }) => option.endsWith(".priority")).map(({ meaning }) => meaning)).toEqual([`-${priorityMax} to ${priorityMax}: higher first`, `-${priorityMax} to ${priorityMax}: higher first`]);
  });

  it("states the defaults of a worker, every one of them", () => {
    const { agentConcurrency, flowConcurrency, deadlineMs, activeMsMax, verifyTimeoutMs, perTaskMicroUsd, perDayMicroUsd, progressWithinMs, verifyAttempts, ...counts } = workerDefaults;

    expect(defaultOf("limits", "concurrency")).toBe(`${agentConcurrency} for an agent, ${flowConcurrency} for a flow`);
    expect(["deadline", "activeTime", "verifyTimeout"].map((name) => defaultOf("limits", name))).toEqual([deadlineMs, activeMsMax, verifyTimeoutMs].map(compact));
    expect(["firstChunkTimeout", "betweenChunksTimeout", "modelCallTimeout"].map((name) => defaultOf("limits", name))).toEqual(Object.values(defaultModelTimeouts).map((ms) => compact(ms)));
    expect(defaultOf("budget", "perTask")).toBe(formatUsd(perTaskMicroUsd));
    expect(defaultOf("budget", "perDay")).toBe(formatUsd(perDayMicroUsd));
    expect(defaultOf("expect", "progressWithin")).toBe(compact(progressWithinMs));
    expect(defaultOf("agent", "verifyAttempts")).toBe(String(verifyAttempts));
    expect(Object.fromEntries(Object.keys(counts).map((name) => [name, defaultOf("limits", name)]))).toEqual(Object.fromEntries(Object.entries(counts).map(([name, value]) => [name, String(value)])));
  });

  it("states how long things are kept", () => {
    const { journalsMs, deadLettersMs, recordsMs, rollupsMs } = retentionDefaults;

    expect(["journals", "deadLetters", "records", "rollups"].map((name) => defaultOf("retention", name))).toEqual([journalsMs, deadLettersMs, recordsMs, rollupsMs].map(compact));
    expect(page).toContain(`but for the last ${listedTasks} of an agent`);
  });

  it("states the defaults of tools", () => {
    expect(defaultOf("tool", "timeout")).toBe(compact(defaultToolTimeoutMs));
    expect([defaultOf("tool", "approvalWithin"), defaultOf("mcp", "approvalWithin")]).toEqual(Array.from({ length: 2 }, () => compact(defaultApprovalWithinMs)));
    expect([defaultOf("tool", "concurrency"), defaultOf("mcp", "concurrency")]).toEqual([limiterDefaults.toolConcurrency, limiterDefaults.toolConcurrency].map(String));
    expect(defaultOf("accountLimits", "concurrency")).toBe(String(limiterDefaults.modelConcurrency));
    expect(page).toContain(`At most ${shownToolsMax} tools of a server are shown, whose names, descriptions and schemas take at most ${shownBytesMax} bytes`);
    expect(page).toContain(`more than ${listedPagesMax} pages, ${listedToolsMax} tools or ${messageBytesMax} bytes is not read`);
    expect(defaultOf("mcp", "connectTimeout")).toBe(compact(defaultConnectTimeoutMs));
    expect(defaultOf("mcp", "requestTimeout")).toBe(compact(defaultRequestTimeoutMs));
    expect(rowsOf("## ctx").find(({ option }) => option === "step.attempts")?.default).toBe(String(retryDefaults.attemptsMax));
    expect(rowsOf("## ctx").find(({ option }) => option === "tools.approvalWithin")?.default).toBe(compact(defaultApprovalWithinMs));
  });

  it("states the defaults of a backup", () => {
    expect([defaultOf("backup", "every"), defaultOf("backup", "keep")]).toEqual([compact(teamBackupDefaults.everyMs), String(teamBackupDefaults.keep)]);
  });

  it("states what is limited without an option", () => {
    const limits = defaultEngineLimits;

    expect(tableRows(sectionOf(page, "## Limits without an option")).map(([, limit]) => limit)).toEqual([
      `${depthMax} deep`,
      String(limits.stepsPerRunMax),
      `${limits.journalBytesPerRunMax} bytes`,
      `${limits.valueBytesMax} bytes`,
      `${jsonDepthMax} levels`,
      `${toolResultBytesMax} bytes`,
      `${nameLengthMax} characters`,
      `${textLengthMax} characters, ${noteBytesMax} bytes`,
      `${textLengthMax} characters`,
      `${causeDepthMax} deep, ${detailsMax}`,
      String(limits.signalsPerRunMax),
      `${limits.recoveriesWithoutProgressMax}, ${limits.recoveriesMax}`,
      compact(limiterDefaults.parkAfterMs),
      compact(limits.foreignAwaitGraceMs),
      `${spendDefaults.warnFactor} times, ${spendDefaults.endFactor} times`,
      String(compensationsMax),
      compact(limits.compensationMs),
      compact(limits.stopGraceMs),
      `${deliverForMs / 3_600_000}h`,
      compact(deliveryDefaults.refusedForMs),
      compact(deliveryDefaults.lateGapMs),
      compact(limits.keyWindowMs),
    ]);
  });
});

const problemsOf = (options: object): number => validateTeam(defineTeam({ name: "t", agents: [defineAgent({ name: "a", model: "anthropic/m", instructions: "x", ...options })] })).length;
const tool = (times: { readonly timeout?: number; readonly approvalWithin?: number }) => defineTool({ name: "t", description: "d", inputSchema: z.object({}), effect: "read", ...times, execute: () => null });

/** How a value of an option gets into a definition. */
const setters: Readonly<Record<string, (value: number) => object>> = {
  ...Object.fromEntries(Object.keys(optionNames.limits).map((name) => [name, (value: number) => ({ limits: { [name]: value } })])),
  firstChunkTimeout: (value) => ({ limits: { firstChunkTimeout: value, modelCallTimeout: "1d", activeTime: "1d" } }),
  betweenChunksTimeout: (value) => ({ limits: { betweenChunksTimeout: value, modelCallTimeout: "1d", activeTime: "1d" } }),
  modelCallTimeout: (value) => ({ limits: { firstChunkTimeout: "1s", betweenChunksTimeout: "1s", modelCallTimeout: value, activeTime: "1d" } }),
  verifyTimeout: (value) => ({ limits: { verifyTimeout: value, activeTime: "1d" } }),
  activeTime: (value) => ({ limits: { activeTime: value, deadline: "30d" } }),
  progressWithin: (value) => ({ expect: { progressWithin: value } }),
  verifyAttempts: (value) => ({ verifyAttempts: value }),
  temperature: (value) => ({ temperature: value }),
  timeout: (value) => ({ limits: { activeTime: "1d" }, tools: [tool({ timeout: value })] }),
  approvalWithin: (value) => ({ limits: { deadline: "365d" }, tools: [tool({ approvalWithin: value })] }),
  every: (value) => ({ triggers: [every(value)] }),
};

describe("a range on the page", () => {
  const ranged = (["limits", "expect", "agent", "tool", "every"] as const).flatMap((kind) =>
    rowsOf(headings[kind]).flatMap(({ option, meaning }) => {
      const [, min, max] = /^(\d+\w*) to (\d+\w*)\b/.exec(meaning) ?? /^(up to) (\d+[smhd])$/.exec(meaning) ?? [];
      return min === undefined || max === undefined ? [] : [[option, min === "up to" ? 1 : toNumber(min), toNumber(max)] as const];
    }),
  );

  it("is found for every number with bounds", () => {
    expect(ranged.map(([option]) => option).toSorted()).toEqual(Object.keys(setters).toSorted());
  });

  it.each(ranged)("of %s is the one that is checked: %d to %d", (option, min, max) => {
    const set = setters[option] ?? (() => ({}));

    expect([min, max].map((value) => problemsOf(set(value)))).toEqual([0, 0]);
    expect([min - 1, max + 1].map((value) => problemsOf(set(value)))).toEqual([1, 1]);
  });
});

function toNumber(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : parseDuration(text, "A bound");
}
