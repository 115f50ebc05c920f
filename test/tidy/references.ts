import type { Doors } from "./import-graph.ts";
import type { Source, SourceText, SyntaxNode } from "./source.ts";
import { isTest, isNode, nameOf, propertyName, stringValue, walk } from "./source.ts";

const errorTablePath = "src/base/error-code.ts";
export const errorPagePath = "docs/reference/errors.md";
export const doorPagePath = "docs/reference/api.md";

const errorCode = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/;

/** Error codes that are in the table but not on the page, on the page but not in the table, or used by nothing. */
export function findErrorProblems(sources: readonly Source[], page: string): readonly string[] {
  const table = sources.find(({ path }) => path === errorTablePath);
  if (table === undefined) return [`${errorTablePath} is missing`];
  const codes = listErrorCodes(table);
  const documented = new Set([...page.matchAll(/^(?:#+|\|)\s*`?([A-Z][A-Z0-9_]+)`?(?=\s|$)/gm)].flatMap(([, code]) => (code !== undefined && errorCode.test(code) ? [code] : [])));
  const used = listStrings(sources.filter(({ path }) => path.startsWith("src/") && path !== errorTablePath && !isTest(path)));
  return [
    ...(codes.length === 0 ? [`${errorTablePath} has no codes`] : []),
    ...codes.filter((code) => !documented.has(code)).map((code) => `${code} is not in ${errorPagePath}`),
    ...[...documented].filter((code) => !codes.includes(code)).map((code) => `${code} is in ${errorPagePath} but not in ${errorTablePath}`),
    ...codes.filter((code) => !used.has(code)).map((code) => `${code} is used by nothing in src`),
  ];
}

function listErrorCodes({ program }: Source): readonly string[] {
  const codes: string[] = [];
  walk(program, (node) => {
    const name = node.type === "Property" ? propertyName(node["key"], node["computed"]) : null;
    if (name !== null && errorCode.test(name)) codes.push(name);
  });
  return codes;
}

function listStrings(sources: readonly Source[]): ReadonlySet<string> {
  const strings = new Set<string>();
  for (const { program } of sources) {
    walk(program, (node) => {
      const value = stringValue(node);
      if (value !== null) strings.add(value);
    });
  }
  return strings;
}

/** A manifest is what package.json says; only what the checks read is declared. */
export interface Manifest {
  readonly name: string;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** The doors of the package: `{ "longhaul/client": "src/http/client.ts" }`. */
export function listDoors({ name, exports }: Manifest): Doors {
  const doors = Object.entries(exports).flatMap(([door, target]) => {
    const source = typeof target === "object" && target !== null && "longhaul-source" in target ? String(target["longhaul-source"]) : null;
    return source === null ? [] : [[name + door.slice(1), source.replace(/^\.\//, "")] as const];
  });
  return Object.fromEntries(doors);
}

/** Doors that lead nowhere, whose conditions disagree, or whose names the reference does not list. */
export function findDoorProblems(manifest: Manifest, sources: readonly Source[], page: string): readonly string[] {
  const doors = Object.entries(listDoors(manifest));
  const missing = doors.flatMap(([door, path]) => (sources.some((source) => source.path === path) ? [] : [`${door} leads to ${path}, which is missing`]));
  const names = doors.flatMap(([door, path]) => sources.filter((source) => source.path === path).flatMap((source) => listExports(source).map((name) => [door, name] as const)));
  const undocumented = names.filter(([, name]) => !new RegExp(`\`${name}\\b`).test(page)).map(([door, name]) => `${name} of ${door} is not in ${doorPagePath}`);
  return [...Object.entries(manifest.exports).flatMap(([door, target]) => checkConditions(door, target)), ...missing, ...undocumented];
}

function checkConditions(door: string, target: unknown): readonly string[] {
  if (typeof target !== "object" || target === null) return [];
  const source = String((target as Readonly<Record<string, unknown>>)["longhaul-source"]);
  const built = source.replace(/^\.\/src\//, "./dist/").replace(/\.ts$/, "");
  const expected = { "longhaul-source": source, types: `${built}.d.ts`, default: `${built}.js` };
  return JSON.stringify(target) === JSON.stringify(expected) ? [] : [`exports["${door}"] is not ${JSON.stringify(expected)}`];
}

/** The names that a module exports. */
function listExports({ program }: Source): readonly string[] {
  return (program["body"] as readonly SyntaxNode[]).filter(({ type }) => type === "ExportNamedDeclaration").flatMap(exportedNames);
}

function exportedNames({ declaration, specifiers }: SyntaxNode): readonly string[] {
  const listed = (specifiers as readonly SyntaxNode[]).map(({ exported }) => nameOf(exported));
  const declared = !isNode(declaration) ? [] : declaration.type === "VariableDeclaration" ? (declaration["declarations"] as readonly SyntaxNode[]) : [declaration];
  return [...listed, ...declared.map(({ id }) => nameOf(id))].filter((name) => name !== null);
}

/** The lock file names no host: it installs from whichever registry is configured. */
export function findPinnedHosts(lock: SourceText): readonly string[] {
  return [...lock.text.matchAll(/"resolved": "(\w+:[^"]*)"/g)].map(([, address]) => `${lock.path} pins ${address}; install with npm's omit-lockfile-registry-resolved`);
}
