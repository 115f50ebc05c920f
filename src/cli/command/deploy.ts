import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { LonghaulError } from "../../base/error.ts";
import { shellWord } from "../../base/shell-word.ts";
import { assertCallersKnown, type ClusterPlace, isLoopback } from "../../runtime/cluster-place.ts";
import { toClusterWords } from "../cluster-options.ts";
import type { CommandContext, ExitCode } from "../command-context.ts";
import { dockerfile, dockerignore } from "../deploy/docker-files.ts";
import { usageError } from "../failure-report.ts";
import { systemdUnit } from "../deploy/systemd-unit.ts";

export interface DeployOptions {
  /** Where the files are written. Null: in the project of the team's file. */
  readonly out: string | null;
  readonly drainMs: number;
  /** Who runs it under systemd. Null: this user. */
  readonly user: string | null;
  /** Null: the team is in the data directory. */
  readonly cluster: ClusterPlace | null;
}

const program = resolve(import.meta.dirname, "..", "..", "..", "bin", "longhaul.js");

/** Writes what runs a team as a service or in a container. @throws {CLI_USAGE} for another target. @throws {INIT_FILES_EXIST} naming each file that is in the way. @throws {TEAM_NOT_LOADED} when there is no such team. */
export async function runDeploy(context: CommandContext, target: string, file: string, { out, drainMs, user, cluster }: DeployOptions): Promise<ExitCode> {
  if (target !== "systemd" && target !== "docker") throw usageError(`There is nothing to write for ${target}. Use systemd or docker.`);
  if (target === "docker" && user !== null) throw usageError("--user is for systemd. In the image the team runs as the user node; docker run has --user.");
  const teamFile = resolve(file);
  if (!existsSync(teamFile)) throw new LonghaulError("TEAM_NOT_LOADED", `There is no ${teamFile}. Give the path of the file that exports your team.`);
  const project = findProject(teamFile);
  const folder = resolve(out ?? project);
  const name = toName(basename(project));
  const isElsewhere = folder !== project;
  if (cluster !== null) assertCallersKnown(cluster);
  const options = cluster === null ? [] : toClusterWords(cluster);
  const files: Readonly<Record<string, string>> =
    target === "systemd"
      ? { [`${name}.service`]: systemdUnit({ name, node: process.execPath, program, teamFile, project, data: resolve(context.data), user: user ?? userInfo().username, drainMs, options }) }
      : { Dockerfile: dockerfile({ name, teamFile: toSlashes(relative(project, teamFile)), drainMs, isElsewhere, options, network: cluster === null ? [] : networkOf(cluster) }), [isElsewhere ? "Dockerfile.dockerignore" : ".dockerignore"]: dockerignore(pathWithin(project, resolve(context.data))) };
  writeNew(folder, files);
  const { output } = context;
  if (target === "docker" && cluster !== null && isLoopback(cluster.listen.host)) output.warn(aloneInContainer(cluster));
  const names = Object.keys(files);
  const next = target === "systemd" ? [`  sudo cp ${join(folder, `${name}.service`)} /etc/systemd/system/`, `  sudo systemctl enable --now ${name}`] : [`  docker build -t ${name} ${isElsewhere ? `-f ${shellWord(join(folder, "Dockerfile"))} ` : ""}${shellWord(project)}`, "  The first line of the Dockerfile says how to run it."];
  output.data({ directory: folder, files: names });
  output.say(`Wrote ${names.join(" and ")} in ${folder}.`, "", "Next:", ...(cluster === null ? [] : [`  Write LONGHAUL_STORE=postgres://user:password@host/database into ${shellWord(join(project, ".env"))}, and type: chmod 600 ${shellWord(join(project, ".env"))}`]), ...next);
  return 0;
}

/** The nearest folder with a package.json, else that of the file. */
function findProject(teamFile: string): string {
  for (let folder = dirname(teamFile); ; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json"))) return folder;
    if (dirname(folder) === folder) return dirname(teamFile);
  }
}

/** A worker that listens for its own machine alone is found there only from that machine's network. */
function networkOf({ listen: { host, port } }: ClusterPlace): readonly string[] {
  return isLoopback(host) ? ["--network", "host"] : ["-p", `${port}:${port}`];
}

function aloneInContainer({ listen: { host, port } }: ClusterPlace): string {
  return `--listen is ${host}:${port}, which nobody outside the container calls: this image is for a Restate on the same machine, and is run with --network host. For any other, give --listen 0.0.0.0:${port}, --identity-key, and with --advertise the address under which Restate reaches the worker.`;
}

/** Null: it is not in there. */
function pathWithin(folder: string, path: string): string | null {
  const found = relative(folder, path);
  return found === "" || found.split(sep)[0] === ".." || isAbsolute(found) ? null : toSlashes(found);
}

function toSlashes(path: string): string {
  return path.split(sep).join("/");
}

/** What a unit and an image may be called. */
function toName(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9-]+/g, "-").replace(/^-+|-+$/g, "") || "team";
}

function writeNew(folder: string, files: Readonly<Record<string, string>>): void {
  const inTheWay = Object.keys(files).filter((name) => existsSync(join(folder, name)));
  if (inTheWay.length > 0) throw new LonghaulError("INIT_FILES_EXIST", `Nothing was written, since ${inTheWay.join(", ")} ${inTheWay.length === 1 ? "exists" : "exist"} in ${folder}. Move what is there, or give another folder with --out.`);
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
}
