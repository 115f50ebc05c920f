import { readFileSync } from "node:fs";

/** The part of vitest's JSON report that the count needs. */
export interface TestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly { readonly status: string }[] }[];
}

export interface Outcome {
  /** null when the tests never got as far as a report. */
  readonly report: TestReport | null;
  /** What the test command exited with. */
  readonly exitCode: number;
  /** Steps before the tests that failed. */
  readonly failedSteps: number;
}

/** The last line of a CI run. A step or a file that fails without a failed test in it counts as one failure, so that a bad run never reads `0 failed`. */
export function computeSummary({ report, exitCode, failedSteps }: Outcome): string {
  const brokenFiles = report?.testResults.filter(({ status, assertionResults }) => status === "failed" && !assertionResults.some((test) => test.status === "failed")).length ?? 0;
  const failedTests = (report?.numFailedTests ?? 0) + brokenFiles;
  const failed = failedSteps + (exitCode === 0 ? failedTests : Math.max(failedTests, 1));
  return `${report?.numPassedTests ?? 0} passed, ${failed} failed`;
}

if (import.meta.main) {
  const [reportPath = "", exitCode, failedSteps] = process.argv.slice(2);
  let report: TestReport | null = null;
  try {
    report = JSON.parse(readFileSync(reportPath, "utf8")) as TestReport;
  } catch (error) {
    console.error(`The tests left no report: ${String(error)}`);
  }
  console.log(computeSummary({ report, exitCode: Number(exitCode), failedSteps: Number(failedSteps) }));
}
