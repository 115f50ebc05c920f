import { expect, it } from "vitest";
import { computeSummary } from "./count-tests.ts";

const passed = { status: "passed" };
const failed = { status: "failed" };

it("counts what passed and what failed", () => {
  const report = { numPassedTests: 7, numFailedTests: 2, testResults: [{ status: "failed", assertionResults: [passed, failed, failed] }] };

  expect(computeSummary({ report, exitCode: 1, failedSteps: 0 })).toBe("7 passed, 2 failed");
});

it("counts nothing as failed in a good run", () => {
  const report = { numPassedTests: 7, numFailedTests: 0, testResults: [{ status: "passed", assertionResults: [passed] }] };

  expect(computeSummary({ report, exitCode: 0, failedSteps: 0 })).toBe("7 passed, 0 failed");
});

it("counts a file that did not load", () => {
  const report = { numPassedTests: 7, numFailedTests: 0, testResults: [{ status: "failed", assertionResults: [] }] };

  expect(computeSummary({ report, exitCode: 1, failedSteps: 0 })).toBe("7 passed, 1 failed");
});

it("counts an error outside the tests, a run without a report, and each failed step", () => {
  const report = { numPassedTests: 7, numFailedTests: 0, testResults: [] };

  expect(computeSummary({ report, exitCode: 1, failedSteps: 0 })).toBe("7 passed, 1 failed");
  expect(computeSummary({ report: null, exitCode: 1, failedSteps: 0 })).toBe("0 passed, 1 failed");
  expect(computeSummary({ report, exitCode: 0, failedSteps: 2 })).toBe("7 passed, 2 failed");
});
