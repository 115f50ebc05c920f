import type { Registration } from "../trigger/registration.ts";
import { computePeriodMs } from "../trigger/next-firing.ts";
import type { Clock } from "../base/clock.ts";
import type { RetentionPolicy } from "../policy/retention.ts";
import type { Worker } from "../run/worker.ts";
import type { Store } from "../store/store.ts";
import { type Manifest, manifestName, parseManifest, toManifest } from "./manifest.ts";

interface ManifestParts {
  readonly name: string;
  readonly clock: Clock;
  readonly workers: ReadonlyMap<string, Worker>;
  readonly registrations: readonly Registration[];
  readonly retention: RetentionPolicy;
  readonly data: { readonly store: Pick<Store, "meta" | "records"> };
}

/** Nobody had the duties for longer: then the team was down. */
const handoverMsMax = 60_000;

/** The manifest of a team that begins now, after what the data remembers of the one before. */
export async function beginManifest(parts: ManifestParts): Promise<Manifest> {
  const previous = await readManifest(parts);
  const [last] = await parts.data.store.records.query({ limit: 1 });
  return compute(parts, previous === null ? null : { manifest: previous, lastSeenAtMs: last === undefined ? previous.startedAtMs : Date.parse(last.record.timestamp) });
}

/** The manifest of a team whose duties this process takes over: time goes on as it did, unless nobody had them for a while. */
export async function takeOverManifest(parts: ManifestParts, vacantMs: number | null): Promise<Manifest> {
  const previous = await readManifest(parts);
  if (previous === null || vacantMs === null || vacantMs > handoverMsMax) return await beginManifest(parts);
  const { startedAtMs, awakeSinceMs } = previous;
  return { ...compute(parts, { manifest: previous, lastSeenAtMs: parts.clock.now() }), startedAtMs, awakeSinceMs };
}

/** What the data remembers; null when no team ever ran on it. */
export async function readManifest({ data }: Pick<ManifestParts, "data">): Promise<Manifest | null> {
  return parseManifest(await data.store.meta.get(manifestName));
}

function compute({ name, clock, workers, registrations, retention }: ManifestParts, previous: Parameters<typeof toManifest>[0]["previous"]): Manifest {
  const nowMs = clock.now();
  return toManifest({ team: name, startedAtMs: nowMs, workers: workers.values(), triggersOf: (agent) => describeTriggers(registrations, agent, nowMs), retention, previous });
}

function describeTriggers(registrations: readonly Registration[], agent: string, nowMs: number): Manifest["workers"][number]["triggers"] {
  return registrations
    .filter((registration) => registration.agent === agent)
    .map(({ triggerId, trigger }) => ({ triggerId, intervalMs: trigger.kind === "on" ? null : computePeriodMs(trigger, nowMs) }));
}
