import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readText } from "./markdown.ts";

const linesMax = 30;
const folder = "docs/decisions";
const names = readdirSync(join(import.meta.dirname, "..", "..", folder)).toSorted();
const manifest = JSON.parse(readText("package.json")) as { readonly dependencies: object; readonly devDependencies: object };
const pages = names.map((name) => readText(`${folder}/${name}`));

describe("docs/decisions", () => {
  it.each(names)("%s has a date, a status and a reason, on one screen", (name) => {
    const text = readText(`${folder}/${name}`);
    const date = /^(\d{4}-\d\d-\d\d)-[a-z0-9-]+\.md$/.exec(name)?.[1];

    expect(date).toBeDefined();
    expect(text).toMatch(new RegExp(`^# [^\\n]+\\n\\nDate: ${date ?? ""}\\. Status: (accepted|replaced by [^\\n]+)\\.\\n`));
    expect([...text.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading)).toEqual(["Context", "Decision", "Consequences"]);
    expect(text.trimEnd().split("\n").length).toBeLessThanOrEqual(linesMax);
  });

  it.each(Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }))("say why there is %s", (dependency) => {
    expect(pages.some((text) => text.includes(`\`${dependency}\``))).toBe(true);
  });
});
