import { isJsonObject, type JsonObject } from "../base/json.ts";

export interface PackagePlanOptions {
  readonly name: string;
  /** Versions of what the project needs. */
  readonly dependencies: Readonly<Record<string, string>>;
  /** Given where the machine's own Node is too old: npm brings a fitting one. */
  readonly nodeVersion: string | null;
}

export interface PackagePlan {
  readonly content: JsonObject;
  /** What was put into a package.json that existed: "type", "scripts.start", "dependencies.zod". */
  readonly added: readonly string[];
}

/** What `npm install <package>` writes into an empty folder. */
const bareFields: ReadonlySet<string> = new Set(["name", "version", "private", "dependencies", "devDependencies", "optionalDependencies"]);

/**
 * The project's package.json: from the template, or the existing one with what it lacks. Nothing that it says is changed; `type` is added only to one that
 * npm itself made, since in a project with code it would change what that code means.
 */
export function computePackage(template: JsonObject, existing: JsonObject | null, { name, dependencies, nodeVersion }: PackagePlanOptions): PackagePlan {
  const devDependencies: Readonly<Record<string, string>> = nodeVersion === null ? {} : { node: nodeVersion };
  const wanted: JsonObject = { ...template, name, dependencies, ...(nodeVersion === null ? {} : { devDependencies }) };
  if (existing === null) return { content: wanted, added: [] };
  const added: string[] = [];
  const content: Record<string, JsonObject[string]> = { ...existing };
  if (existing["type"] === undefined && Object.keys(existing).every((field) => bareFields.has(field))) {
    content["type"] = "module";
    added.push("type");
  }
  for (const section of ["scripts", "dependencies", "devDependencies"]) {
    const present = objectOf(existing[section]);
    const elsewhere = section === "scripts" ? {} : { ...objectOf(existing["dependencies"]), ...objectOf(existing["devDependencies"]) };
    const missing = Object.entries(objectOf(wanted[section])).filter(([entry]) => present[entry] === undefined && elsewhere[entry] === undefined);
    if (missing.length === 0) continue;
    content[section] = { ...present, ...Object.fromEntries(missing) };
    added.push(...missing.map(([entry]) => `${section}.${entry}`));
  }
  return { content, added };
}

function objectOf(value: JsonObject[string] | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}
