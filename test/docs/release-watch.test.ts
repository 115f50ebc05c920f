import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { codeOf, readText, tableRows } from "./markdown.ts";

const folder = "examples/release-watch";
const page = readText(`${folder}/README.md`);
const code = readdirSync(join(import.meta.dirname, "..", "..", folder)).filter((name) => name.endsWith(".ts")).map((name) => readText(`${folder}/${name}`)).join("\n");
const variables = tableRows(page.slice(page.indexOf("| variable |"))).map(([name, standard]) => ({ name: codeOf(name), standard: codeOf(standard) }));

describe("examples/release-watch/README.md", () => {
  it("lists the variables that the example reads, and no others", () => {
    const read = [...code.matchAll(/\["(RELEASE_WATCH_\w+)"\]/g)].map(([, name = ""]) => name);

    expect(variables.map(({ name }) => name).toSorted()).toEqual([...new Set(read)].toSorted());
  });

  it("states their defaults", () => {
    const defaults = [...code.matchAll(/\["(RELEASE_WATCH_\w+)"\] \?\? "?([^"\s),]+)"?/g)].map(([, name, standard = ""]) => [name, standard === "null" ? "" : standard.replaceAll("_", "")]);

    expect(Object.fromEntries(variables.map(({ name, standard }) => [name, standard]))).toEqual(Object.fromEntries(defaults));
  });
});
