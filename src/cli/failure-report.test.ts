import { expect, it } from "vitest";
import { LonghaulError } from "../base/error.ts";
import { toFailureReport, usageError } from "./failure-report.ts";

it("tells a coded error with its code and what to type next, without a stack", () => {
  const { exitCode, lines, json } = toFailureReport(new LonghaulError("TASK_UNKNOWN", "There is no task t_1."));

  expect({ exitCode, lines }).toEqual({ exitCode: 1, lines: ["There is no task t_1. [TASK_UNKNOWN]", "  Next: List tasks with `longhaul ps --all`."] });
  expect(json).toEqual({ error: { code: "TASK_UNKNOWN", message: "There is no task t_1.", remedy: "List tasks with `longhaul ps --all`." } });
});

it("ends with 2 when the command line is wrong", () => {
  expect(toFailureReport(usageError("--port is x.")).exitCode).toBe(2);
});

it("shows the stack of a bug and asks for a report", () => {
  const { exitCode, lines } = toFailureReport(new TypeError("x is undefined"));

  expect(exitCode).toBe(1);
  expect(lines[0]).toMatch(/^TypeError: x is undefined\n +at /);
  expect(lines[1]).toContain("report");
});
