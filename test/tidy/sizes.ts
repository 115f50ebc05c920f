import type { Source, SyntaxNode } from "./source.ts";
import { isNode, isTest, nameOf, walk } from "./source.ts";

const fileLinesMax = 400;
const functionLinesMax = 70;

/** Files over 400 lines and functions over 70. */
export function findLongCode(sources: readonly Source[]): readonly string[] {
  return sources.flatMap((source) => [...findLongFile(source), ...findLongFunctions(source)]);
}

function findLongFile({ path, text }: Source): readonly string[] {
  const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  return lines > fileLinesMax ? [`${path} has ${lines} lines; a file has at most ${fileLinesMax}`] : [];
}

/** In tests, the callbacks of `describe`, `it` and their like are measured by themselves, not as lines of what holds them. */
function findLongFunctions(source: Source): readonly string[] {
  const problems: string[] = [];
  walk(source.program, (node) => {
    if (!isFunction(node)) return;
    const lines = lineCount(source, node) - (isTest(source.path) ? countBlockLines(source, node) : 0);
    const line = source.lineOf(node.start);
    if (lines > functionLinesMax) problems.push(`${source.path}:${line} is a function of ${lines} lines; a function has at most ${functionLinesMax}`);
  });
  return problems;
}

function isFunction({ type }: SyntaxNode): boolean {
  return type === "FunctionDeclaration" || type === "FunctionExpression" || type === "ArrowFunctionExpression";
}

function lineCount(source: Source, { start, end }: SyntaxNode): number {
  return source.lineOf(end) - source.lineOf(start) + 1;
}

/** The lines of the outermost test blocks inside a function. */
function countBlockLines(source: Source, holder: SyntaxNode): number {
  let lines = 0;
  walk(holder, (node, ancestors) => {
    if (node === holder || !isTestBlock(node, ancestors[0])) return;
    const inside = ancestors.slice(0, ancestors.indexOf(holder));
    const isOutermost = !inside.some((ancestor, index) => isTestBlock(ancestor, inside[index + 1]));
    if (isOutermost) lines += lineCount(source, node);
  });
  return lines;
}

function isTestBlock(node: SyntaxNode, parent: SyntaxNode | undefined): boolean {
  if (!isFunction(node) || parent?.type !== "CallExpression") return false;
  return ["describe", "it", "test"].includes(rootName(parent["callee"]) ?? "");
}

/** The first name of `it`, `it.each(rows)` and `describe.sequential`. */
function rootName(callee: unknown): string | null {
  if (!isNode(callee)) return null;
  if (callee.type === "MemberExpression") return rootName(callee["object"]);
  if (callee.type === "CallExpression" || callee.type === "TaggedTemplateExpression") return rootName(callee["callee"] ?? callee["tag"]);
  return nameOf(callee);
}
