import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, expect, it } from "vitest";
import { LonghaulError } from "../base/error.ts";
import { tellFailure, toFailureReport, usageError } from "./failure-report.ts";
import { createOutput } from "./output.ts";

it("tells a coded error with its code and what to type next, without a stack", () => {
  const { exitCode, lines, json } = toFailureReport(new LonghaulError("TASK_UNKNOWN", "There is no task t_1."));

  expect({ exitCode, lines }).toEqual({ exitCode: 1, lines: ["There is no task t_1. [TASK_UNKNOWN]", "  Next: List tasks with `longhaul ps --all`."] });
  expect(json).toEqual({ error: { code: "TASK_UNKNOWN", message: "There is no task t_1.", remedy: "List tasks with `longhaul ps --all`." } });
});

it("ends with 2 when the command line is wrong", () => {
  expect(toFailureReport(usageError("--port is x.")).exitCode).toBe(2);
});

it("is JSON for programs wherever the team is", () => {
  const written: string[] = [];
  const stream = { write: (text: string) => written.push(text) };
  const place = "--data 'a \"b\\c'";
  const bug = new TypeError("It threw after longhaul ps.");

  tellFailure(createOutput({ stdout: stream, stderr: stream, isJson: true, hasColors: false, place }), bug);

  expect(JSON.parse(written.join(""))).toMatchObject({ error: { code: "BUG", message: `It threw after longhaul ${place} ps.`, stack: expect.stringContaining(`It threw after longhaul ${place} ps.`) as string } });
});

const folder = mkdtempSync(join(tmpdir(), "longhaul-failure-"));
afterAll(() => rmSync(folder, { recursive: true }));

function thrownBy(body: () => unknown): unknown {
  try {
    body();
  } catch (error) {
    return error;
  }
  throw new Error("It did not throw.");
}

it("does not call a bug what the system or a damaged file refuses, and says what to do", () => {
  const path = join(folder, "longhaul.db");
  writeFileSync(path, "not a database, but long enough to be looked at");
  const damaged = toFailureReport(thrownBy(() => new DatabaseSync(path).exec("SELECT * FROM sqlite_schema")));
  const inTheWay = toFailureReport(thrownBy(() => mkdirSync(path)));
  const full = toFailureReport(Object.assign(new Error("database or disk is full"), { code: "ERR_SQLITE_ERROR", errcode: 13 }));

  expect(damaged.lines).toEqual(["file is not a database [SYSTEM_REFUSED]", expect.stringContaining("backup")]);
  expect(inTheWay.lines).toEqual([expect.stringMatching(/^EEXIST: .*longhaul\.db.* \[SYSTEM_REFUSED\]$/), expect.stringContaining("--data")]);
  expect(full.lines).toEqual(["database or disk is full [SYSTEM_REFUSED]", expect.stringContaining("Make room")]);
  expect(full.json.error).toEqual({ code: "SYSTEM_REFUSED", message: "database or disk is full", remedy: expect.stringContaining("Make room") as string });
});

it("does not send people to the path of a file that was found and failed", () => {
  const failed = new LonghaulError("TEAM_NOT_LOADED", "team.ts failed while it was imported: Expression expected", { cause: new SyntaxError("Expression expected") });

  expect(toFailureReport(failed).lines).toEqual(["team.ts failed while it was imported: Expression expected [TEAM_NOT_LOADED]"]);
  expect(toFailureReport(new LonghaulError("TEAM_NOT_LOADED", "There is no file team.ts.")).lines).toHaveLength(2);
});

it("shows the stack of a bug and asks for a report", () => {
  const { exitCode, lines } = toFailureReport(new TypeError("x is undefined"));

  expect(exitCode).toBe(1);
  expect(lines[0]).toMatch(/^TypeError: x is undefined\n +at /);
  expect(lines[1]).toContain("report");
});
