import { describe, expect, it } from "vitest";
import { placeCommands } from "../../src/cli/typed-command.ts";
import { createInertProgram, listCommandLines, refuse, splitWords } from "./command-line.ts";
import { codeOf, readPages, readText, sectionOf, tableRows } from "./markdown.ts";

const program = createInertProgram();
const commands = program.commands.map((command) => command.name());
const page = readText("docs/reference/cli.md");

describe("command lines in the docs", () => {
  it("are found, in blocks and in sentences", () => {
    const text = 'Type `longhaul ps --all`.\n\n```sh\nnpx longhaul logs --tool "a b" # why\n$ KEY=x longhaul health | head\n```\n\n```ts\nlonghaul no\n```\n';
    const found = listCommandLines({ path: "x.md", text });

    expect(found.map(({ line, isToBeTyped }) => [splitWords(line), isToBeTyped])).toEqual([[["logs", "--tool", "a b"], true], [["health"], true], [["ps", "--all"], false]]);
  });

  it("would be refused if they did not exist", async () => {
    expect(await refuse(["pause", "x"])).toContain("unknown command");
    expect(await refuse(["ps", "--alll"])).toContain("unknown option");
    expect(await refuse(["show"])).toContain("missing required argument");
    expect(await refuse(["logs", "--since", "yesterdayish"])).toContain("invalid");
  });

  it.each(readPages().flatMap((each) => listCommandLines(each).map((found) => [each.path, found.line, found.isToBeTyped] as const)))("in %s: longhaul %s", async (_path, line, isToBeTyped) => {
    const isMention = !isToBeTyped && commands.includes(line);

    expect(isMention ? null : await refuse(splitWords(line))).toBeNull();
  });
});

describe("npm scripts in the docs", () => {
  const { scripts } = JSON.parse(readText("package.json")) as { readonly scripts: Readonly<Record<string, string>> };
  const named = ["README.md", "CONTRIBUTING.md"].flatMap((path) => [...readText(path).matchAll(/\bnpm (?:run ([a-z:-]+)|(start|test)\b)/g)].map(([, run, short]) => [path, run ?? short ?? ""] as const));

  it.each(named)("in %s: %s", (_path, name) => {
    expect(Object.keys(scripts)).toContain(name);
  });
});

describe("docs/reference/cli.md", () => {
  it("has a section for each command and no other", () => {
    const sections = [...page.matchAll(/^## `longhaul ([a-z-]+)/gm)].map(([, name]) => name);

    expect(new Set(sections)).toEqual(new Set(commands));
  });

  it.each(commands)("says of %s what the program says", (name) => {
    const command = program.commands.find((each) => each.name() === name);
    const usage = [name, ...(command?.registeredArguments ?? []).map((argument) => (argument.required ? `<${argument.name()}>` : `[${argument.name()}]`))].join(" ");
    const section = sectionOf(page, `## \`longhaul ${usage}\``);
    const expected = [
      ...(command?.registeredArguments ?? []).map((argument) => [argument.required ? `<${argument.name()}>` : `[${argument.name()}]`, argument.description, ""]),
      ...(command?.options ?? []).map(({ flags, description, defaultValue }) => [flags, description, toText(flags, defaultValue)]),
    ];

    expect(section.split("\n").find((line) => line !== "")).toBe(command?.description());
    expect(expected.length === 0 ? [] : tableRows(section).map(([flags, ...rest]) => [codeOf(flags), ...rest])).toEqual(expected);
  });

  it("lists the options that every command takes", () => {
    const rows = tableRows(sectionOf(page, "## Options of every command")).map(([flags, description]) => [codeOf(flags), description]);

    expect(rows).toEqual([...program.options.map(({ flags, description }) => [flags, description]), ["-h, --help", "print help"]]);
  });
});

function toText(flags: string, value: unknown): string {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return "";
  return flags.includes("<duration>") ? `${Number(value) / 1000}s` : String(value);
}

it("names the place of its team in each command that is advised, but for those that are about none", () => {
  expect(commands.filter((name) => placeCommands(`longhaul ${name}`, "--data x") === `longhaul ${name}`)).toEqual(["init", "fake-provider"]);
});
