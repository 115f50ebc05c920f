import type { Source, SourceText, SyntaxNode } from "./source.ts";
import { isTest, nameOf, propertyName, walk } from "./source.ts";

/** Written so that no pattern matches the line that it stands on. */
const bannedTexts: readonly (readonly [RegExp, string])[] = [
  [/\b(TOD[O]|FIXM[E]|XX[X])\b/, "a note to finish it later; finish it or write an issue"],
  [/@ts-(ignor[e]|nochec[k])/, "silences the compiler"],
  [/\b(es|ox)lint-disabl[e]/, "silences the linter"],
  [/(?<![\w.@~$-])\/(wor[k]|far[m]|tm[p]|roo[t])(?![\w.-])/, "a path of one machine"],
  [/(?<![\w.@~$-])\/(hom[e]|User[s])\/\w/, "a path of one machine"],
  [/\bregistr[y]\.(npm|yarn)|\bnpmmirro[r]\b|\/\.librar[y]\b/, "a host or tool of one place"],
];

/** In a type test the expected error is the assertion; anywhere else it silences the compiler. */
const expectedError: readonly [RegExp, string] = [/@ts-expect-erro[r]/, "silences the compiler"];

/** Texts that do not belong into the tree, whatever kind of file they stand in. */
export function findBannedTexts(texts: readonly SourceText[]): readonly string[] {
  return texts.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, index) => {
      const banned = path.endsWith(".test-d.ts") ? bannedTexts : [...bannedTexts, expectedError];
      const found = banned.find(([pattern]) => pattern.test(line));
      return found === undefined ? [] : [`${path}:${index + 1} has ${found[1]}: ${line.trim().slice(0, 120)}`];
    }),
  );
}

/** Code that the house does not write: empty catch, `as any`, tests that do not run, mocks of modules, default exports in src. */
export function findBannedCode(sources: readonly Source[]): readonly string[] {
  return sources.flatMap((source) => {
    const problems: string[] = [];
    walk(source.program, (node) => {
      const problem = problemOf(node, source);
      if (problem !== null) problems.push(`${source.path}:${source.lineOf(node.start)} ${problem}`);
    });
    return problems;
  });
}

function problemOf(node: SyntaxNode, source: Source): string | null {
  switch (node.type) {
    case "CatchClause":
      return isSilent(node["body"] as SyntaxNode, source) ? "swallows an error: handle it, or say in a comment why ignoring is right" : null;
    case "TSAnyKeyword":
      return "uses any: take unknown and parse";
    case "ExportDefaultDeclaration":
      return source.path.startsWith("src/") ? "has a default export: name it" : null;
    case "ExportAllDeclaration":
      return source.path.startsWith("src/") ? "exports everything: list the names" : null;
    case "MemberExpression":
      return bannedMember(nameOf(node["object"]), propertyName(node["property"], node["computed"]), source.path);
    default:
      return null;
  }
}

function isSilent(body: SyntaxNode, { text }: Source): boolean {
  return (body["body"] as readonly SyntaxNode[]).length === 0 && !/\/[/*]/.test(text.slice(body.start, body.end));
}

function bannedMember(object: string | null, member: string | null, path: string): string | null {
  if (!isTest(path) || object === null || member === null) return null;
  if (object === "vi" && /^(do)?mock$/i.test(member)) return "mocks a module: write a fake that implements the port";
  const isBlock = ["describe", "it", "test", "suite"].includes(object);
  return isBlock && ["only", "skip", "todo", "fails"].includes(member) ? `has ${object}.${member}: every test runs, always` : null;
}

const kebabCase = /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|test-d|testsuite|config|setup|d))?\.[a-z]+$/;

/** Code files that are not named after the one concept that they hold. */
export function findBadNames(sources: readonly Source[], doorPaths: readonly string[]): readonly string[] {
  return sources.flatMap((source) => {
    const problem = nameProblem(source, doorPaths);
    return problem === null ? [] : [`${source.path} ${problem}`];
  });
}

function nameProblem({ path, program }: Source, doorPaths: readonly string[]): string | null {
  const parts = path.split("/");
  const name = parts.at(-1) ?? "";
  if (!kebabCase.test(name)) return "is not named in kebab-case";
  if (parts.slice(0, -1).some((folder) => !/^\.?[a-z0-9]+(-[a-z0-9]+)*$/.test(folder))) return "stands in a folder that is not named in kebab-case";
  if (/^(utils?|helpers?|types|misc|common)\.ts$/.test(name) || parts.some((folder) => /^(utils?|helpers?|misc|common)$/.test(folder))) return "is named after no concept";
  if (!path.startsWith("src/")) return null;
  const statements = program["body"] as readonly SyntaxNode[];
  const isBarrel = statements.length > 0 && statements.every(({ type, source }) => /^Export(Named|All)Declaration$/.test(type) && source !== null);
  return (isBarrel || name === "index.ts" || parts.length === 2) && !doorPaths.includes(path) ? "is a barrel, or stands where only a door of the package may" : null;
}
