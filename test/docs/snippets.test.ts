import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { team as desk } from "../../examples/guide/agents.ts";
import { team as models } from "../../examples/guide/models.ts";
import { validateTeam } from "../../src/agent/validate-team.ts";
import { listBlocks, readPages, readText } from "./markdown.ts";

const pages = readPages();
const root = join(import.meta.dirname, "..", "..");
const examples = readdirSync(join(root, "examples"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts")).map((name) => readText(`examples/${name}`));

/** The same text however far it is indented. */
function dedent(text: string): string {
  const lines = text.replace(/\s+$/, "").split("\n");
  const depth = Math.min(...lines.filter((line) => line !== "").map((line) => /^ */.exec(line)?.[0].length ?? 0));
  return lines.map((line) => line.slice(depth)).join("\n");
}

/** True when these lines stand in an example, one after the other, at whatever depth. */
function isInExamples(snippet: string): boolean {
  const wanted = dedent(snippet);
  const count = wanted.split("\n").length;
  return examples.some((text) => {
    const lines = text.split("\n");
    return lines.some((_, from) => dedent(lines.slice(from, from + count).join("\n")) === wanted);
  });
}

/** What GitHub makes of a heading. */
function anchorOf(heading: string): string {
  return heading.toLowerCase().replace(/[^\w\- ]/g, "").trim().replaceAll(" ", "-");
}

describe("code in the docs", () => {
  const blocks = pages.flatMap(({ path, text }) => listBlocks(text).filter(({ language }) => language === "ts").map((block) => [path, block.text.split("\n")[0] ?? "", block.text] as const));

  it("is found", () => {
    expect(blocks.length).toBeGreaterThan(10);
    expect(isInExamples("const nothing = 1;\n")).toBe(false);
  });

  it.each(blocks)("in %s is a part of an example that compiles: %s", (_path, _first, text) => {
    expect(isInExamples(text)).toBe(true);
  });

  it("is sound where it is a team", () => {
    expect([validateTeam(desk), validateTeam(models)]).toEqual([[], []]);
  });
});

describe("links in the docs", () => {
  const links = pages.flatMap(({ path, text }) => [...text.replace(/^```[^]*?^```$/gm, "").matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => [path, target] as const)).filter(([, target]) => !/^[a-z]+:/.test(target));

  it.each(links)("from %s lead somewhere: %s", (path, target) => {
    const [file = "", anchor] = target.split("#");
    const absolute = file === "" ? join(root, path) : join(root, path, "..", file);
    const isThere = readdirSync(join(absolute, "..")).includes(absolute.split(/[/\\]/).at(-1) ?? "");
    const anchors = absolute.endsWith(".md") ? [...readText(absolute.slice(root.length + 1)).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => anchorOf(heading)) : [];

    expect(isThere).toBe(true);
    expect(anchor === undefined || anchors.includes(anchor)).toBe(true);
  });
});
