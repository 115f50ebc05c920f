import { fileURLToPath } from "node:url";
import Config from "@npmcli/config";
import npmDefinitions from "@npmcli/config/lib/definitions/index.js";
import fetchFromRegistry from "npm-registry-fetch";
import { z } from "zod";
import { settings } from "./settings.ts";

/** What the registry says of one release. Only what it said: null where it said nothing. */
export interface ReleaseFacts {
  readonly package: string;
  readonly version: string;
  readonly previousVersion: string | null;
  readonly publishedAt: string | null;
  readonly unpackedBytes: number | null;
  readonly previousUnpackedBytes: number | null;
  readonly dependenciesAdded: readonly string[];
  readonly dependenciesRemoved: readonly string[];
  readonly dependenciesChanged: readonly string[];
  readonly engines: string | null;
  readonly previousEngines: string | null;
  readonly license: string | null;
  readonly previousLicense: string | null;
  readonly maintainersAdded: readonly string[];
  readonly maintainersRemoved: readonly string[];
  readonly deprecated: string | null;
}

const distTags = z.looseObject({ latest: z.string() });
const text = z.string().nullish().catch(null);
const names = z.record(z.string(), z.string()).catch({});
const manifest = z.looseObject({
  version: z.string(),
  license: text,
  deprecated: text,
  engines: z.looseObject({ node: text }).catch({}).optional(),
  dependencies: names.optional(),
  maintainers: z.array(z.looseObject({ name: z.string() })).nullish().catch(null),
  dist: z.looseObject({ unpackedSize: z.number().nullish().catch(null) }).optional(),
});
const times = z.looseObject({ time: names.optional() });

type Manifest = z.infer<typeof manifest>;

/** The registry that the user's npm is configured for, with its credentials: npm's own client and configuration. */
export async function openRegistry(projectDirectory: string) {
  const config = new Config({ npmPath: fileURLToPath(new URL(".", import.meta.url)), ...npmDefinitions, argv: [], cwd: projectDirectory, warn: false });
  await config.load();
  const options = { ...config.flat, timeout: settings.registryTimeoutMs, fetchRetries: 1 };
  const read = async <T>(path: string, schema: z.ZodType<T>, signal: AbortSignal): Promise<T> => {
    const answer: unknown = await fetchFromRegistry.json(path, { ...options, signal });
    const checked = schema.safeParse(answer);
    if (!checked.success) throw new Error(`The registry answered ${path} with something else than package data: ${checked.error.issues[0]?.message ?? "unknown"}`);
    return checked.data;
  };
  const version = (name: string, wanted: string, signal: AbortSignal): Promise<Manifest> => read(`/${encode(name)}/${wanted}`, manifest, signal);

  return {
    /** The version that `npm install name` would take. */
    latest: async (name: string, signal: AbortSignal): Promise<string> => (await read(`/-/package/${encode(name)}/dist-tags`, distTags, signal)).latest,

    /** What changed between two releases. */
    async facts(name: string, wanted: string, previous: string | null, signal: AbortSignal): Promise<ReleaseFacts> {
      const [now, before, history] = await Promise.all([
        version(name, wanted, signal),
        previous === null || previous === wanted ? null : version(name, previous, signal).catch(() => null),
        read(`/${encode(name)}`, times, signal),
      ]);
      return toFacts(name, now, before, history.time?.[wanted] ?? null);
    },
  };
}

export type Registry = Awaited<ReturnType<typeof openRegistry>>;

function toFacts(name: string, now: Manifest, before: Manifest | null, publishedAt: string | null): ReleaseFacts {
  const dependencies = now.dependencies ?? {};
  const previous = before?.dependencies ?? (before === null ? dependencies : {});
  const people = (release: Manifest | null): readonly string[] => (release?.maintainers ?? []).map((person) => person.name);
  const comparePeople = Boolean(now.maintainers && before?.maintainers);
  return {
    package: name,
    version: now.version,
    previousVersion: before?.version ?? null,
    publishedAt,
    unpackedBytes: now.dist?.unpackedSize ?? null,
    previousUnpackedBytes: before?.dist?.unpackedSize ?? null,
    dependenciesAdded: Object.keys(dependencies).filter((key) => !(key in previous)),
    dependenciesRemoved: Object.keys(previous).filter((key) => !(key in dependencies)),
    dependenciesChanged: Object.keys(dependencies).filter((key) => key in previous && previous[key] !== dependencies[key]).map((key) => `${key} ${previous[key] ?? ""} → ${dependencies[key] ?? ""}`),
    engines: now.engines?.node ?? null,
    previousEngines: before?.engines?.node ?? null,
    license: now.license ?? null,
    previousLicense: before?.license ?? null,
    maintainersAdded: comparePeople ? people(now).filter((person) => !people(before).includes(person)) : [],
    maintainersRemoved: comparePeople ? people(before).filter((person) => !people(now).includes(person)) : [],
    deprecated: now.deprecated ?? null,
  };
}

function encode(name: string): string {
  return name.replace("/", "%2f");
}
