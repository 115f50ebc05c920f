import type { Source } from "./source.ts";

export interface Edge {
  readonly from: string;
  readonly line: number;
  readonly specifier: string;
  /** The file that is imported, or null when it is a package. */
  readonly to: string | null;
}

/** The package's own name and the source behind each of its doors: `{ "longhaul/client": "src/http/client.ts" }`. */
export type Doors = Readonly<Record<string, string>>;

/** Every import of every file, its own package's doors resolved to their sources. */
export function listEdges(sources: readonly Source[], doors: Doors): readonly Edge[] {
  return sources.flatMap(({ path, imports }) => imports.map(({ specifier, line }) => ({ from: path, line, specifier, to: resolve(path, specifier, doors) })));
}

function resolve(from: string, specifier: string, doors: Doors): string | null {
  if (!specifier.startsWith(".")) return doors[specifier] ?? null;
  const parts = from.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/** The package behind a specifier (`@ai-sdk/openai`, `hono`), or null for a file or a part of Node. */
export function packageOf(specifier: string): string | null {
  if (specifier.startsWith(".") || specifier.startsWith("node:")) return null;
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

/** One message for each group of files that import each other, type-only imports included. */
export function findCycles(edges: readonly Edge[]): readonly string[] {
  const targets = new Map<string, string[]>();
  for (const { from, to } of edges) {
    if (to !== null) targets.set(from, [...(targets.get(from) ?? []), to]);
  }
  const done = new Set<string>();
  const problems: string[] = [];
  const visit = (file: string, trail: readonly string[]): void => {
    const at = trail.indexOf(file);
    if (at !== -1) problems.push(`cycle: ${[...trail.slice(at), file].join(" -> ")}`);
    if (at !== -1 || done.has(file)) return;
    for (const next of targets.get(file) ?? []) visit(next, [...trail, file]);
    done.add(file);
  };
  for (const file of targets.keys()) visit(file, []);
  return problems;
}
