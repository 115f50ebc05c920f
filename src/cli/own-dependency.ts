import { relative, resolve, sep } from "node:path";

export interface OwnDependencyOptions {
  readonly version: string;
  /** What the project in which this program is installed says of it; undefined where there is none. */
  readonly installedAs: string | undefined;
  /** The folder of that project. */
  readonly project: string;
  /** The folder of the new one. */
  readonly target: string;
}

/** What the new project's package.json says of this package. One that was installed from a file or an address comes from there again: no registry need know its version. */
export function computeOwnDependency({ version, installedAs, project, target }: OwnDependencyOptions): string {
  if (installedAs === undefined || !/^[a-z+]+:/.test(installedAs)) return `^${version}`;
  if (!installedAs.startsWith("file:")) return installedAs;
  return `file:${relative(target, resolve(project, installedAs.slice("file:".length))).split(sep).join("/")}`;
}
