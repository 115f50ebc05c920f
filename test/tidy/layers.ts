import type { Edge } from "./import-graph.ts";
import { packageOf } from "./import-graph.ts";
import { isTest } from "./source.ts";

/** The folders of src from the bottom to the top. A file imports lower layers and its own folder. */
const layers = [
  ["base"],
  ["record", "db"],
  ["policy", "engine", "store", "model", "tool", "memory", "notify"],
  ["agent"],
  ["trigger", "run"],
  ["judge"],
  ["act"],
  ["runtime"],
  ["http", "lab", "testing"],
  ["cli"],
] as const satisfies readonly (readonly string[])[];

/** Folders whose file of the same name is a port: an interface that adapters implement. */
const ports = ["engine", "store", "model", "tool", "memory", "notify"];

/** What a port, and a policy, may know of. */
const nouns = ["base", "record"];

/** The folders that choose adapters. */
const composers = ["runtime", "testing"];

/** The notation of schemas at the door; not a foreign SDK that would make a file an adapter. */
const schemaPackages = ["zod", "@standard-schema/spec"];

/** Every import that goes against the table of layers, ports and adapters. */
export function findLayerProblems(edges: readonly Edge[]): readonly string[] {
  const adapters = listAdapters(edges);
  const rules = [checkFolder, checkLayer, checkPort, checkAdapterImport, checkDoor, checkTestImport, checkOutside];
  const problems = edges.flatMap((edge) => {
    const problem = rules.map((rule) => rule(edge, adapters)).find((message) => message !== null);
    return problem === undefined ? [] : [`${edge.from}:${edge.line} imports ${edge.specifier}: ${problem}`];
  });
  return [...problems, ...findMixedAdapters(edges)];
}

/** `src/engine/sqlite/run.ts` is in folder `engine`; the door `src/index.ts` and files outside src are in none. */
function folderOf(path: string): string | null {
  const [top, folder, file] = path.split("/");
  return top === "src" && folder !== undefined && file !== undefined ? folder : null;
}

function layerOf(folder: string): number {
  return layers.findIndex((layer) => (layer as readonly string[]).includes(folder));
}

/** The folder of an adapter below its port, such as `src/engine/sqlite`; null for the files beside the port. */
function adapterFolderOf(path: string): string | null {
  const parts = path.split("/");
  return ports.includes(folderOf(path) ?? "") && parts.length > 3 && !isTest(path) ? parts.slice(0, 3).join("/") : null;
}

function isPortFile(path: string): boolean {
  const folder = folderOf(path);
  return folder !== null && ports.includes(folder) && path === `src/${folder}/${folder}.ts`;
}

function foreignPackageOf({ specifier, to }: Edge): string | null {
  const name = to === null ? packageOf(specifier) : null;
  return name === null || schemaPackages.includes(name) ? null : name;
}

/** Adapters are the files in a folder below a port, and those beside a port that speak to a foreign SDK. */
function listAdapters(edges: readonly Edge[]): ReadonlySet<string> {
  const paths = edges.flatMap(({ from, to }) => (to === null ? [from] : [from, to])).filter((path) => adapterFolderOf(path) !== null);
  const speakers = edges.filter((edge) => ports.includes(folderOf(edge.from) ?? "") && !isTest(edge.from) && foreignPackageOf(edge) !== null);
  return new Set([...paths, ...speakers.map(({ from }) => from)]);
}

function checkFolder({ from, to }: Edge): string | null {
  const unknown = [from, to ?? from].map(folderOf).find((folder) => folder !== null && layerOf(folder) === -1);
  return unknown === undefined ? null : `src/${unknown}/ is not in the table of layers`;
}

function checkLayer({ from, to }: Edge): string | null {
  const source = folderOf(from);
  const target = to === null ? null : folderOf(to);
  if (source === null || target === null || source === target) return null;
  const difference = layerOf(target) - layerOf(source);
  if (difference > 0) return `${target} (layer ${layerOf(target)}) is above ${source} (layer ${layerOf(source)})`;
  return difference === 0 ? `${target} is a sibling of ${source} in layer ${layerOf(source)}` : null;
}

function checkPort(edge: Edge): string | null {
  const { from, to } = edge;
  const isPort = isPortFile(from);
  if (!isPort && folderOf(from) !== "policy") return null;
  const target = to === null ? null : folderOf(to);
  if (isPort && to === null) return foreignPackageOf(edge) === null ? null : "a foreign SDK does not cross a port";
  if (target === null || nouns.includes(target) || (!isPort && target === "policy")) return null;
  return `${isPort ? "a port" : "a policy"} imports only ${nouns.join(" and ")}`;
}

function checkAdapterImport({ from, to }: Edge, adapters: ReadonlySet<string>): string | null {
  if (to === null || !adapters.has(to) || !from.startsWith("src/")) return null;
  const source = folderOf(from);
  const [sourceAdapter, targetAdapter] = [adapterFolderOf(from), adapterFolderOf(to)];
  const isOwn = source === folderOf(to) && (targetAdapter === null || sourceAdapter === targetAdapter);
  const mayChoose = source === null || composers.includes(source) || isTest(from);
  if (sourceAdapter !== null && targetAdapter !== null && sourceAdapter !== targetAdapter) return "one adapter does not know another";
  return isOwn || mayChoose ? null : `an adapter is chosen by ${composers.join("/ or ")}/ only`;
}

/** The public door looks inwards; what is inside does not look at it, nor at the layers above runtime/ through it. */
function checkDoor({ from, to }: Edge): string | null {
  if (from.startsWith("src/") && to === "src/index.ts") return "nothing in src imports the public door";
  const target = to === null ? null : folderOf(to);
  return from === "src/index.ts" && target !== null && layerOf(target) > layerOf("runtime") ? `${target}/ has a door of its own` : null;
}

function checkTestImport({ from, to }: Edge): string | null {
  return to !== null && from.startsWith("src/") && isTest(to) && !isTest(from) ? "published code does not import tests" : null;
}

function checkOutside({ from, to, specifier }: Edge): string | null {
  if (to === null) return null;
  if (from.startsWith("src/") && !to.startsWith("src/")) return "src imports nothing from outside src";
  return /^(examples|templates)\//.test(from) && to.startsWith("src/") && specifier.startsWith(".") ? `${from.split("/")[0]} use the doors of the package` : null;
}

/** An adapter in a folder of its own speaks to one foreign SDK; the packages of one scope are one SDK. */
function findMixedAdapters(edges: readonly Edge[]): readonly string[] {
  const sdks = new Map<string, Set<string>>();
  for (const edge of edges) {
    const name = foreignPackageOf(edge);
    const folder = adapterFolderOf(edge.from);
    if (name !== null && folder !== null && !isTest(edge.from)) sdks.set(folder, (sdks.get(folder) ?? new Set()).add(name.split("/")[0] ?? name));
  }
  return [...sdks].filter(([, names]) => names.size > 1).map(([folder, names]) => `${folder}/ speaks to ${[...names].join(" and ")}: an adapter has one foreign SDK`);
}

/** Packages that the published code imports without declaring them as dependencies. */
export function findUndeclaredPackages(edges: readonly Edge[], dependencies: readonly string[]): readonly string[] {
  return edges
    .filter(({ from, to }) => to === null && from.startsWith("src/") && !isTest(from))
    .filter(({ specifier }) => ![null, ...dependencies].includes(packageOf(specifier)))
    .map(({ from, line, specifier }) => `${from}:${line} imports ${specifier}: not in the dependencies of package.json`);
}
