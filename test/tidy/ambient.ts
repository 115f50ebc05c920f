import type { Source, SyntaxNode } from "./source.ts";
import { isNode, nameOf, propertyName, stringValue, walk } from "./source.ts";

/** The one place that reads the machine's time, chance and timers. */
const ambientHome = "src/base/";
/** Programs have an environment: the command line, and what tests start as processes of their own. */
const environmentHomes = /^src\/cli\/|^test\/e2e\/|\/fixture\//;
const sqlHomes = /^src\/(db|[^/]+\/(sqlite|postgres))\//;

/** Members of globals, of the modules that hold the same objects, and of nothing else. */
const ambientMembers: Readonly<Record<string, readonly string[]>> = {
  Date: ["now"],
  performance: ["now", "timeOrigin"],
  Math: ["random"],
  AbortSignal: ["timeout"],
  crypto: ["randomUUID", "getRandomValues", "randomBytes", "randomInt", "randomFillSync"],
  process: ["env", "hrtime", "uptime", "loadEnvFile"],
};

const timerFunctions = ["setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval", "clearImmediate"];

/** What must not be imported from a part of Node: its names, or all of it. */
const ambientImports: Readonly<Record<string, readonly string[] | "all">> = {
  timers: "all",
  "timers/promises": "all",
  crypto: ["randomUUID", "getRandomValues", "randomBytes", "randomInt", "randomFillSync", "randomFill"],
  perf_hooks: ["performance"],
  process: ["env", "hrtime", "uptime"],
};

const ambientSql = /\bcurrent_(timestamp|date|time)\b|'now'|\bunixepoch\(\s*\)|\bnow\(\s*\)|\brandom(blob)?\(/i;

/** Places in src and test, outside src/base, that read ambient time, chance, timers or environment. */
export function findAmbientReads(sources: readonly Source[]): readonly string[] {
  return sources.filter(({ path }) => /^(src|test)\//.test(path) && !path.startsWith(ambientHome)).flatMap(findInSource);
}

function findInSource(source: Source): readonly string[] {
  const problems: string[] = [];
  const mayReadEnvironment = environmentHomes.test(source.path);
  walk(source.program, (node, [parent]) => {
    const names = [...readsOf(node, parent), ...(sqlHomes.test(source.path) ? sqlReadsOf(node) : [])];
    for (const name of names) {
      if (mayReadEnvironment && name === "process.env") continue;
      problems.push(`${source.path}:${source.lineOf(node.start)} reads ${name}; take a Clock, a Random or an option instead`);
    }
  });
  return problems;
}

function readsOf(node: SyntaxNode, parent: SyntaxNode | undefined): readonly string[] {
  switch (node.type) {
    case "MemberExpression":
      return memberReads(node["object"], [propertyName(node["property"], node["computed"])]);
    case "VariableDeclarator":
      return memberReads(node["init"], patternNames(node["id"]));
    case "NewExpression":
      return globalName(node["callee"]) === "Date" && isEmpty(node["arguments"]) ? ["new Date()"] : [];
    case "CallExpression":
      return globalName(node["callee"]) === "Date" ? ["Date()"] : [];
    case "ImportDeclaration":
      return importReads(node);
    case "ImportExpression":
      return ambientImports[partOfNode(node)] === "all" ? [partOfNode(node)] : [];
    case "Identifier":
      return isTimerRead(node, parent) ? [String(node["name"])] : [];
    default:
      return [];
  }
}

/** `Date.now`, `globalThis.Date.now`, `globalThis.setTimeout`, and the same by destructuring. */
function memberReads(object: unknown, members: readonly (string | null)[]): readonly string[] {
  const owner = globalName(object);
  if (owner === null) return [];
  const banned = owner === "globalThis" ? timerFunctions : (ambientMembers[owner] ?? []);
  return members.flatMap((member) => (member !== null && banned.includes(member) ? [`${owner}.${member}`] : []));
}

/** The name of a global object, read directly or from `globalThis`. */
function globalName(node: unknown): string | null {
  if (!isNode(node)) return null;
  if (node.type !== "MemberExpression") return nameOf(node);
  const holder = nameOf(node["object"]);
  return holder === "globalThis" || holder === "global" ? propertyName(node["property"], node["computed"]) : null;
}

function patternNames(pattern: unknown): readonly (string | null)[] {
  if (!isNode(pattern) || pattern.type !== "ObjectPattern") return [];
  return (pattern["properties"] as readonly SyntaxNode[]).map((property) => propertyName(property["key"], property["computed"]));
}

function importReads(node: SyntaxNode): readonly string[] {
  const part = partOfNode(node);
  const banned = ambientImports[part];
  if (banned === undefined || node["importKind"] === "type") return [];
  if (banned === "all") return [part];
  const imported = (node["specifiers"] as readonly SyntaxNode[]).map((specifier) => nameOf(specifier["imported"]));
  return imported.flatMap((name) => (name !== null && banned.includes(name) ? [`${part}.${name}`] : []));
}

function partOfNode(node: SyntaxNode): string {
  return (stringValue(node["source"]) ?? "").replace(/^node:/, "");
}

/** A timer function used as a value; not a property of that name, and not a type query. */
function isTimerRead(node: SyntaxNode, parent: SyntaxNode | undefined): boolean {
  if (!timerFunctions.includes(String(node["name"])) || parent === undefined) return false;
  if (parent.type === "MemberExpression") return parent["object"] === node || parent["computed"] === true;
  if (parent["shorthand"] === true) return parent["value"] === node;
  return parent["key"] !== node && parent.type !== "TSTypeQuery" && parent.type !== "ImportSpecifier";
}

function sqlReadsOf(node: SyntaxNode): readonly string[] {
  const text = node.type === "TemplateElement" ? String((node["value"] as { readonly raw?: unknown }).raw) : stringValue(node);
  const found = text === null ? null : ambientSql.exec(text);
  return found === null ? [] : [`${found[0]} in SQL`];
}

function isEmpty(list: unknown): boolean {
  return Array.isArray(list) && list.length === 0;
}
