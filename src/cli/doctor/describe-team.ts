import { idOfModel, listModels } from "../../agent/model-reference.ts";
import { isSecretReference } from "../../agent/secret.ts";
import type { TeamDefinition } from "../../agent/team-definition.ts";
import type { Json } from "../../base/json.ts";

/** The options of a team as plain data: of code, schemas and prompts only that they are there, of addresses only where they lead. */
export function describeTeam({ name, spec }: TeamDefinition): Json {
  const workers = [...spec.agents, ...(spec.flows ?? [])];
  return {
    name,
    workers: workers.map(({ kind, spec: { model, tools, ...options } }) => ({
      ...(describe(options, 0) as object), kind, models: model === undefined ? [] : listModels(model).map(idOfModel), tools: (tools ?? []).map((tool) => ({ kind: tool.kind, ...(describe(tool.spec, 0) as object) })),
    })),
    notify: describe(spec.notify ?? null, 0),
    endpoints: describe(spec.endpoints ?? null, 0),
    limits: describe(spec.limits ?? null, 0),
    backup: describe(spec.backup ?? null, 0),
  };
}

const depthMax = 6;

function describe(value: unknown, depth: number, name = ""): Json {
  if (typeof value === "function") return "[function]";
  if (typeof value === "string") return describeText(name, value);
  if (typeof value === "number" || typeof value === "boolean" || value === null) return value;
  if (typeof value !== "object") return `[${typeof value}]`;
  if (isSecretReference(value)) return `[secret ${value.name}]`;
  if ("~standard" in value) return "[schema]";
  if (name === "args") return `[${Object.keys(value).length} arguments]`;
  if (depth > depthMax) return "…";
  if (Array.isArray(value)) return value.map((item) => describe(item, depth + 1));
  return Object.fromEntries(Object.entries(value).flatMap(([field, given]) => (given === undefined ? [] : [[field, describe(given, depth + 1, field)]])));
}

/** Texts for models are the user's own; a path or a query may be all that keeps an address secret. */
function describeText(name: string, text: string): string {
  if (name === "instructions" || name === "prompt") return `[text of ${text.length} characters]`;
  const url = URL.parse(text);
  return url !== null && url.host !== "" ? `${url.protocol}//${url.host}/…` : text;
}
