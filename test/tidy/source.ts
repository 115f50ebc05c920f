import { parseSync, visitorKeys } from "oxc-parser";

/** One text file of the tree. `path` is relative to the root, with forward slashes. */
export interface SourceText {
  readonly path: string;
  readonly text: string;
}

/** A node of the syntax tree as the checks see it: a type, a place, and whatever else. */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** A parsed TypeScript or JavaScript file. */
export interface Source extends SourceText {
  readonly program: SyntaxNode;
  /** Every static, dynamic, re-exported and type-only import. */
  readonly imports: readonly Import[];
  lineOf(offset: number): number;
}

/** Parses the code files among `texts`; a file that does not parse is an error of the test. */
export function parseSources(texts: readonly SourceText[]): readonly Source[] {
  return texts.filter(({ path }) => /\.[mc]?[jt]sx?$/.test(path)).map(parseSource);
}

function parseSource({ path, text }: SourceText): Source {
  const result = parseSync(path, text);
  const [error] = result.errors;
  if (error !== undefined) throw new Error(`${path} does not parse: ${error.message}`);
  const program = result.program as unknown as SyntaxNode;
  const lineOf = createLineIndex(text);
  const imports: Import[] = [];
  walk(program, (node) => {
    if (!/^(Import|Export(Named|All))Declaration$|^ImportExpression$|^TSImportType$/.test(node.type)) return;
    const specifier = stringValue(node["source"]);
    if (specifier !== null) imports.push({ specifier, line: lineOf(node.start) });
  });
  return { path, text, program, imports, lineOf };
}

/** Calls `visit` with every node below and including `node`, parents first; `ancestors` begins with the nearest. */
export function walk(node: SyntaxNode, visit: (node: SyntaxNode, ancestors: readonly SyntaxNode[]) => void, ancestors: readonly SyntaxNode[] = []): void {
  visit(node, ancestors);
  const below = [node, ...ancestors];
  for (const key of visitorKeys[node.type] ?? []) {
    const value = node[key];
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) walk(child, visit, below);
    }
  }
}

export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === "object" && value !== null && "type" in value;
}

/** The name of an identifier, or null for anything else. */
export function nameOf(value: unknown): string | null {
  return isNode(value) && value.type === "Identifier" ? String(value["name"]) : null;
}

/** The value of a string literal, or null for anything else. */
export function stringValue(value: unknown): string | null {
  return isNode(value) && value.type === "Literal" && typeof value["value"] === "string" ? value["value"] : null;
}

/** The name of a property key or member, written as a name or as a string. */
export function propertyName(key: unknown, computed: unknown): string | null {
  return computed === true ? stringValue(key) : (nameOf(key) ?? stringValue(key));
}

/** Tests, contract suites, and what stands in a folder `fixture/` for them; none of it is published. */
export function isTest(path: string): boolean {
  return /\.(test|test-d|testsuite)\.ts$|\/fixture\//.test(path) || path.startsWith("test/");
}

function createLineIndex(text: string): (offset: number) => number {
  const starts = [0];
  for (let index = text.indexOf("\n"); index !== -1; index = text.indexOf("\n", index + 1)) starts.push(index + 1);
  return (offset) => {
    const next = starts.findIndex((start) => start > offset);
    return next === -1 ? starts.length : next;
  };
}
