import { hashOf } from "../base/json.ts";

const lengthMax = 64;
const hashLength = 8;

/**
 * Names under which models are shown a server's tools. MCP allows "files/read" and "a.b"; the providers of models allow letters, digits, "_" and "-", at
 * most 64, and refuse the whole request otherwise. Only the names that are listed together count, not their order: a journal names tools by what comes out.
 */
export function toModelToolNames(names: readonly string[]): ReadonlyMap<string, string> {
  const uses = new Map<string, number>();
  for (const name of new Set(names)) uses.set(toAllowed(name), (uses.get(toAllowed(name)) ?? 0) + 1);
  return new Map(names.map((name) => {
    const allowed = toAllowed(name);
    return [name, allowed === name || uses.get(allowed) === 1 ? allowed : `${allowed.slice(0, lengthMax - hashLength - 1)}_${hashOf(name).slice(0, hashLength)}`];
  }));
}

function toAllowed(name: string): string {
  return name.replaceAll(/[^a-zA-Z0-9_-]/g, "_").slice(0, lengthMax);
}
