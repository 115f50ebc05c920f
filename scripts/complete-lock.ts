import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What package-lock.json holds about one package; more fields than these pass through. */
export interface LockEntry {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly cpu?: readonly string[];
  readonly os?: readonly string[];
  readonly libc?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export type LockPackages = Readonly<Record<string, LockEntry>>;

interface Gap {
  readonly name: string;
  readonly version: string;
  readonly isDev: boolean;
}

/**
 * npm leaves out of the lock the binaries that the registry at hand does not carry, and then refuses the lock (`Missing: … from lock file`).
 * These are the packages left out.
 */
export function findLockGaps(packages: LockPackages): readonly Gap[] {
  return Object.values(packages).flatMap(({ optionalDependencies = {}, dev = false }) =>
    Object.entries(optionalDependencies)
      .filter(([name]) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`)))
      .map(([name, version]) => ({ name, version, isDev: dev })),
  );
}

/** The lock's packages with an entry for each gap, for the platform that the name tells; sorted by path as npm sorts them. */
export function completeLock(packages: LockPackages): LockPackages {
  const added = findLockGaps(packages).map(({ name, version, isDev }) => [`node_modules/${name}`, { version, ...platformOf(name), ...(isDev ? { dev: true } : {}), optional: true }] as const);
  return Object.fromEntries([...Object.entries(packages), ...added].toSorted(([left], [right]) => left.localeCompare(right, "en")));
}

/** `@oxlint/binding-linux-arm64-musl` runs on Linux, arm64, musl. */
function platformOf(name: string): LockEntry {
  const [, os, cpu, flavour] = /(android|darwin|freebsd|linux|openharmony|win32)-([a-z0-9]+)(?:-(\w+))?$/.exec(name) ?? [];
  if (os === undefined || cpu === undefined) throw new Error(`The name ${name} does not tell its platform. Add its entry to package-lock.json by hand.`);
  if (os !== "linux" || flavour === undefined) return { cpu: [cpu], os: [os] };
  return { cpu: [cpu], libc: [flavour.startsWith("musl") ? "musl" : "glibc"], os: [os] };
}

if (import.meta.main) {
  const path = join(import.meta.dirname, "..", "package-lock.json");
  const lock = JSON.parse(readFileSync(path, "utf8")) as { readonly packages: LockPackages };
  writeFileSync(path, `${JSON.stringify({ ...lock, packages: completeLock(lock.packages) }, null, 2)}\n`);
}
