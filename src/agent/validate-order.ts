import { formatDuration, parseDuration } from "../base/duration.ts";
import { defaultModelTimeouts } from "../model/model.ts";
import { defaultActiveMsMax, defaultDeadlineMs } from "./limit-defaults.ts";
import { type Problem, type Report, reportTo } from "./problem.ts";
import { checkDuration, type Fields } from "./value-checks.ts";

/** A limit within which another one passes. */
export interface Outer {
  readonly option: string;
  readonly ms: number;
}

/** The limits of a worker within which all that it does passes, from the outermost one. */
interface Outers {
  readonly deadline: Outer;
  readonly activeTime: Outer;
  readonly modelCall: Outer;
}

/**
 * Reports each limit that is stated and lies above the one around it: it would never be reached, and the outer one would be named in its place. A default gives way: an agent that
 * states a short `activeTime` need not lower all that lies within. What is reported already counts as not stated.
 */
export function validateOrder(problems: Problem[], where: string, spec: Fields): void {
  const sound = (option: string): unknown => (isReported(problems, where, `limits.${option}`) ? undefined : asFields(spec["limits"])[option]);
  const outers: Outers = {
    deadline: { option: "limits.deadline", ms: msOf(sound("deadline")) ?? defaultDeadlineMs },
    activeTime: { option: "limits.activeTime", ms: msOf(sound("activeTime")) ?? defaultActiveMsMax },
    modelCall: { option: "limits.modelCallTimeout", ms: msOf(sound("modelCallTimeout")) ?? defaultModelTimeouts.totalMs },
  };
  const report = reportTo(problems, where);
  const within = { firstChunkTimeout: outers.modelCall, betweenChunksTimeout: outers.modelCall, modelCallTimeout: outers.activeTime, verifyTimeout: outers.activeTime, activeTime: outers.deadline };
  for (const [option, outer] of Object.entries(within)) checkOrder(report, `limits.${option}`, sound(option), outer);
  for (const tool of Array.isArray(spec["tools"]) ? spec["tools"] : []) checkTool(problems, where, asFields(tool), outers);
}

function checkTool(problems: Problem[], where: string, { kind, spec }: Fields, { activeTime, deadline }: Outers): void {
  const fields = asFields(spec);
  const place = `${where}, ${String(kind)} ${String(fields["name"])}`;
  const within = { timeout: activeTime, connectTimeout: activeTime, requestTimeout: activeTime, approvalWithin: deadline };
  for (const [option, outer] of Object.entries(within)) if (!isReported(problems, place, option)) checkOrder(reportTo(problems, place), option, fields[option], outer);
}

function isReported(problems: readonly Problem[], where: string, field: string): boolean {
  return problems.some((problem) => problem.where === where && problem.field === field);
}

/** Reports a time that is none, or that lies above the limit around it. */
export function checkWithin(report: Report, field: string, value: unknown, outer: Outer): void {
  if (checkDuration(report, field, value) !== null) checkOrder(report, field, value, outer);
}

function checkOrder(report: Report, field: string, value: unknown, outer: Outer): void {
  const ms = msOf(value);
  if (ms !== null && ms > outer.ms) report(field, value, neverReached(outer));
}

function neverReached({ option, ms }: Outer): string {
  return `It is above ${option} of its agent (${formatDuration(ms)}), so it would never be reached; lower it, or raise that too.`;
}

function msOf(value: unknown): number | null {
  if (value === undefined) return null;
  try {
    return parseDuration(value, "limit");
  } catch {
    return null;
  }
}

function asFields(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}
