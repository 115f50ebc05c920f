import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { eventTypes, toLogRecord } from "../../src/record/log-record.ts";
import { codeOf, readText, sectionOf, tableRows } from "./markdown.ts";

const page = readText("docs/reference/records.md");

/** Types that some file of src writes: `event_type: "task"`. */
function listWrittenTypes(): ReadonlySet<string> {
  const files = readdirSync(join(import.meta.dirname, "..", "..", "src"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts") && !/\.(test|testsuite|test-d)\.ts$|[/\\]fixture[/\\]/.test(name));
  return new Set(files.flatMap((name) => [...readText(`src/${name}`).matchAll(/\bevent_type: "(\w+)"/g)].map(([, type = ""]) => type)));
}

describe("docs/reference/records.md", () => {
  it("lists the fields of a record and no others", () => {
    const record = toLogRecord("id", 0, "team", { event_type: "task" });

    expect(tableRows(sectionOf(page, "## Fields")).map(([field]) => codeOf(field)).toSorted()).toEqual(Object.keys(record).toSorted());
  });

  it("says which fields may be null", () => {
    const record = toLogRecord("id", 0, "team", { event_type: "task" });
    const nullable = Object.entries(record).filter(([, value]) => value === null).map(([name]) => name);

    expect(tableRows(sectionOf(page, "## Fields")).filter(([, type = ""]) => type.endsWith("or null")).map(([field]) => codeOf(field)).toSorted()).toEqual(nullable.toSorted());
  });

  it("lists the event types and no others", () => {
    expect(tableRows(sectionOf(page, "## Types")).map(([type]) => codeOf(type))).toEqual(eventTypes);
  });

  it("says of each type whether anything writes it", () => {
    const written = listWrittenTypes();

    expect(tableRows(sectionOf(page, "## Types")).map(([type, isWritten]) => [codeOf(type), isWritten])).toEqual(eventTypes.map((type) => [type, written.has(type) ? "yes" : "not yet"]));
  });
});
