import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { LonghaulError, messageOf } from "../../base/error.ts";
import { isJsonObject, type JsonObject } from "../../base/json.ts";
import type { CommandContext, ExitCode } from "../command-context.ts";
import { computeOwnDependency } from "../own-dependency.ts";
import { computePackage } from "../package-plan.ts";

export interface InitOptions {
  /** Null: asked on a terminal, else the working directory. */
  readonly directory: string | null;
  readonly isInteractive: boolean;
}

const packageRoot = resolve(import.meta.dirname, "..", "..", "..");
const templateRoot = join(packageRoot, "templates", "team");
/** In the package under another name, since npm leaves out or reads the real ones. */
const renamed: Readonly<Record<string, string>> = { gitignore: ".gitignore", "package.template.json": "package.json" };
const templateName = "my-team";

/** Creates a small project that runs. @throws {INIT_FILES_EXIST} naming each file that is in the way. */
export async function runInit(context: CommandContext, { directory, isInteractive }: InitOptions): Promise<ExitCode> {
  const { output } = context;
  const chosen = directory ?? (isInteractive ? await askDirectory() : ".");
  if (chosen === null) return 1;
  const target = resolve(chosen);
  const existing = readPackage(target);
  const teamFile = existing?.["type"] === "commonjs" ? "team.mts" : "team.ts";
  const files = listFiles(templateRoot).map((file) => ({ from: file, to: file === "team.ts" ? teamFile : (renamed[file] ?? file) }));
  assertFree(target, files.map(({ to }) => to).filter((file) => file !== "package.json" && file !== ".gitignore"));
  const name = toName(basename(target));
  const created = files.map(({ to }) => to).filter((file) => !existsSync(join(target, file)));
  for (const { from, to } of files) copyFile(from, join(target, to), { name, teamFile });
  const added = writePackage(target, existing, { name, teamFile });
  output.data({ directory: target, files: created, added });
  const where = relative(process.cwd(), target) || ".";
  output.say(`Created ${created.join(", ")} in ${where === "." ? "this folder" : where}.`);
  if (added.length > 0) output.say(`Added to package.json: ${added.join(", ")}.`);
  output.say("", "Next:", ...(where === "." ? [] : [`  cd ${/\s/.test(where) ? JSON.stringify(where) : where}`]), "  npm install", `  npx longhaul start ${teamFile}`, "", `While you write the team, instead: npx longhaul dev ${teamFile}`);
  return 0;
}

async function askDirectory(): Promise<string | null> {
  const { intro, isCancel, text } = await import("@clack/prompts");
  intro("A new team");
  // Where npm has installed something, the project is already there.
  const proposed = existsSync("package.json") ? "." : templateName;
  const answer = await text({ message: "In which folder?", placeholder: proposed, defaultValue: proposed });
  return isCancel(answer) ? null : answer.trim();
}

/** @throws {INIT_FILES_EXIST} */
function assertFree(target: string, files: readonly string[]): void {
  const inTheWay = files.filter((file) => existsSync(join(target, file)));
  if (inTheWay.length > 0) throw new LonghaulError("INIT_FILES_EXIST", `Nothing was written, since ${inTheWay.join(", ")} ${inTheWay.length === 1 ? "exists" : "exist"} in ${target}.`);
}

function listFiles(root: string): readonly string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true }).flatMap((entry) => (entry.isFile() ? [relative(root, join(entry.parentPath, entry.name))] : [])).toSorted();
}

function copyFile(from: string, path: string, { name, teamFile }: { readonly name: string; readonly teamFile: string }): void {
  if (from === "package.template.json" || (from === "gitignore" && existsSync(path))) return;
  mkdirSync(dirname(path), { recursive: true });
  const source = join(templateRoot, from);
  if (!/\.(ts|md)$/.test(from) || from.startsWith(`inbox${sep}`)) cpSync(source, path, { errorOnExist: true, force: false });
  else writeFileSync(path, readFileSync(source, "utf8").replaceAll(templateName, name).replaceAll("team.ts", teamFile), { flag: "wx" });
}

/** @throws {OPTION_INVALID} when there is one that is no JSON object. */
function readPackage(target: string): JsonObject | null {
  const path = join(target, "package.json");
  if (!existsSync(path)) return null;
  try {
    const content: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (isJsonObject(content)) return content;
  } catch (error) {
    throw new LonghaulError("OPTION_INVALID", `${path} is not JSON: ${messageOf(error)}. Mend it, or use another folder.`, { cause: error });
  }
  throw new LonghaulError("OPTION_INVALID", `${path} is not a JSON object. Mend it, or use another folder.`);
}

function writePackage(target: string, existing: JsonObject | null, { name, teamFile }: { readonly name: string; readonly teamFile: string }): readonly string[] {
  const own = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as { readonly version: string; readonly dependencies: { readonly zod: string } };
  const template = JSON.parse(readFileSync(join(templateRoot, "package.template.json"), "utf8").replaceAll("team.ts", teamFile)) as JsonObject;
  const options = { name, dependencies: { longhaul: computeOwnDependency({ version: own.version, ...readInstallation(), target }), zod: own.dependencies.zod }, nodeVersion: isBroughtByNpm() ? `^${process.versions.node}` : null };
  const { content, added } = computePackage(template, existing, options);
  if (existing === null || added.length > 0) writeFileSync(join(target, "package.json"), `${JSON.stringify(content, null, 2)}\n`);
  return added;
}

/** The project that this program is installed in, and what it says of it. */
function readInstallation(): { readonly project: string; readonly installedAs: string | undefined } {
  const project = resolve(packageRoot, "..", "..");
  const content = basename(dirname(packageRoot)) === "node_modules" ? readPackage(project) : null;
  const stated = [content?.["dependencies"], content?.["devDependencies"]].flatMap((section) => (isJsonObject(section) ? [section["longhaul"]] : []));
  const installedAs = stated.find((spec) => typeof spec === "string");
  return { project, installedAs: typeof installedAs === "string" ? installedAs : undefined };
}

/** True when npm brought the Node that runs this: the machine's own is older, and the new project needs one brought along too. */
function isBroughtByNpm(): boolean {
  return process.execPath.split(sep).includes("node_modules");
}

/** A name that npm and the team accept. */
function toName(folder: string): string {
  const name = folder.toLowerCase().replaceAll(/[^a-z0-9_-]+/g, "-").replaceAll(/^[-_0-9]+|[-_]+$/g, "").slice(0, 64);
  return name === "" ? templateName : name;
}
