import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { z } from "zod";

// An npm registry that was recorded: recorded/*.json holds two releases each of nine packages, in the registry's words, trimmed to the fields that this
// example reads; sizes and maintainers are left out, and the notice on request is npm's. @longhaul-recorded/tiny-table is made up: it shows a change of
// maintainers without naming anybody.

const recordedVersion = z.object({
  version: z.string(),
  publishedAt: z.iso.datetime(),
  license: z.string().optional(),
  deprecated: z.string().optional(),
  engines: z.object({ node: z.string() }).optional(),
  dependencies: z.record(z.string(), z.string()),
  maintainers: z.array(z.object({ name: z.string() })).optional(),
  dist: z.object({ unpackedSize: z.number() }).optional(),
});
const recordedPackage = z.object({ name: z.string(), versions: z.array(recordedVersion).min(1) });

export type RecordedVersion = z.infer<typeof recordedVersion>;
/** A package with its releases, the oldest first. */
export type RecordedPackage = z.infer<typeof recordedPackage>;

/** What is asked: which version is the latest, or what one release is made of. */
export type Question = "latest" | "facts";

/** The connection breaks; silence; a web page in place of data; HTTP 500. */
export type Misbehaviour = "refuse" | "hang" | "garbage" | "error";

export interface RecordedRegistry {
  /** For `npm_config_registry`. */
  readonly url: string;
  /** The latest release of every package: what a scan of them all has to find. */
  latest(): readonly { readonly package: string; readonly version: string }[];
  /** Adds a release; it is the latest from now on. */
  publish(name: string, release: RecordedVersion): void;
  /** Lets one package, or "*" for all, answer one or both questions badly from now on; null: well again. */
  misbehave(name: string, how: Misbehaviour | null, questions?: readonly Question[]): void;
  /** Questions that arrived so far. */
  questionCount(): number;
  close(): Promise<void>;
}

export interface ServeRecordedRegistryOptions {
  /** Default: the recording. */
  readonly packages?: readonly RecordedPackage[];
  /** Default: 0, any free port. */
  readonly port?: number;
}

/** The recording, by name. */
export function readRecording(): readonly RecordedPackage[] {
  const folder = join(import.meta.dirname, "recorded");
  return readdirSync(folder)
    .filter((file) => file.endsWith(".json"))
    .toSorted()
    .map((file) => recordedPackage.parse(JSON.parse(readFileSync(join(folder, file), "utf8"))));
}

/** Serves a registry on loopback. */
export async function serveRecordedRegistry({ packages = readRecording(), port = 0 }: ServeRecordedRegistryOptions = {}): Promise<RecordedRegistry> {
  const releases = new Map(packages.map(({ name, versions }) => [name, [...versions]]));
  const faults = new Map<string, Misbehaviour>();
  let questions = 0;

  const server = createServer((request, response) => {
    const { question, name, version } = parsePath(request);
    questions += 1;
    const fault = faults.get(`${question} ${name}`) ?? faults.get(`${question} *`);
    if (fault !== undefined) misbehaveOnce(response, fault);
    else answer(response, question, version, name, releases.get(name));
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    latest: () => [...releases].map(([name, versions]) => ({ package: name, version: versions.at(-1)?.version ?? "" })),
    publish: (name, release) => void releases.set(name, [...(releases.get(name) ?? []), release]),
    misbehave(name, how, asked = ["latest", "facts"]) {
      for (const question of asked) {
        if (how === null) faults.delete(`${question} ${name}`);
        else faults.set(`${question} ${name}`, how);
      }
    },
    questionCount: () => questions,
    async close() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** `/-/package/<name>/dist-tags`, `/<name>/<version>` and `/<name>`. A name's slash is %2f. */
function parsePath({ url = "/" }: IncomingMessage): { readonly question: Question; readonly name: string; readonly version: string | null } {
  const [path = ""] = url.split("?");
  const tags = /^\/-\/package\/([^/]+)\/dist-tags$/.exec(path);
  if (tags !== null) return { question: "latest", name: decodeURIComponent(tags[1] ?? ""), version: null };
  const [, name = "", version] = path.split("/");
  return { question: "facts", name: decodeURIComponent(name), version: version ?? null };
}

function answer(response: ServerResponse, question: Question, wanted: string | null, name: string, versions: readonly RecordedVersion[] | undefined): void {
  const latest = versions?.at(-1);
  if (versions === undefined || latest === undefined) return send(response, 404, { error: "Not found" });
  const tags = { latest: latest.version };
  if (question === "latest") return send(response, 200, tags);
  if (wanted === null) {
    const time = Object.fromEntries(versions.map(({ version, publishedAt }) => [version, publishedAt]));
    return send(response, 200, { name, "dist-tags": tags, versions: Object.fromEntries(versions.map((version) => [version.version, toManifest(name, version)])), time });
  }
  const found = versions.find(({ version }) => version === wanted);
  return found === undefined ? send(response, 404, `version not found: ${wanted}`) : send(response, 200, toManifest(name, found));
}

/** A registry says when a release was published in its packument only. */
function toManifest(name: string, { version, license, deprecated, engines, dependencies, maintainers, dist }: RecordedVersion): object {
  return { name, version, license, deprecated, engines, dependencies, maintainers, dist };
}

function misbehaveOnce(response: ServerResponse, how: Misbehaviour): void {
  switch (how) {
    case "refuse":
      response.destroy();
      break;
    case "hang":
      break; // The client has to give up.
    case "garbage":
      response.writeHead(200, { "content-type": "text/html", "cache-control": "no-store" }).end("<!doctype html><title>Sign in</title><p>Sign in to the network.</p>");
      break;
    case "error":
      send(response, 500, { error: "Internal server error" });
      break;
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  // A registry's answers may be cached; a recording that changes while it is served must not be.
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" }).end(JSON.stringify(body));
}
