import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

// Writes docs/reference/api.md from the doors of package.json and the first sentences of their docstrings: `npm run docs`.
const root = join(import.meta.dirname, "..");

interface Export {
  readonly name: string;
  readonly kind: string;
  readonly sentence: string;
}

function readDoor(file: string): readonly Export[] {
  const text = readFileSync(join(root, file), "utf8");
  const lists = [...text.matchAll(/export (?:type )?\{([^}]*)\}(?: from "([^"]+)")?/g)].flatMap(([, names = "", from = ""]) =>
    names.split(",").map((name) => name.replace(/\btype\b/, "").trim()).filter(Boolean).map((name) => describe(name, from === "" ? file : join(dirname(file), from))));
  const own = [...text.matchAll(/^export (?:async )?(?:interface|type|function|const|class) (\w+)/gm)].map(([, name = ""]) => describe(name, file));
  return [...lists, ...own].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Kind and first sentence of an export, from the file that declares it. */
function describe(name: string, file: string): Export {
  const text = readFileSync(join(root, file), "utf8");
  const found = new RegExp(`(?:/\\*\\*((?:(?!\\*/)[^])*)\\*/\\s*)?export (?:async )?(interface|type|function|const|class) ${name}\\b`).exec(text);
  const onward = found === null ? new RegExp(`export (?:type )?\\{[^}]*\\b${name}\\b[^}]*\\} from "([^"]+)"`).exec(text)?.[1] : undefined;
  if (onward !== undefined) return describe(name, join(dirname(file), onward));
  if (found === null) throw new Error(`${file} does not declare ${name}.`);
  const [, comment = "", kind = ""] = found;
  const prose = comment.split("\n").map((line) => line.replace(/^\s*\* ?/, "").trim()).join(" ").trim().split(/\s@/)[0] ?? "";
  return { name, kind, sentence: (/^.*?[.:](?=\s|$)/.exec(prose)?.[0] ?? prose).replace(/:$/, ".").replaceAll("|", "\\|") };
}

const doors = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly exports: Readonly<Record<string, string | { readonly "longhaul-source": string }>> };
const sections = Object.entries(doors.exports).flatMap(([door, target]) => {
  if (typeof target === "string") return [];
  const rows = readDoor(target["longhaul-source"]).map(({ name, kind, sentence }) => `| \`${name}\` | ${kind} | ${sentence} |`);
  return [`## \`${door.replace(".", "longhaul")}\`\n\n| name | kind | what it is |\n|---|---|---|\n${rows.join("\n")}\n`];
});

writeFileSync(join(root, "docs/reference/api.md"), `# The public names\n\nWhat each door of the package exports. Full signatures stand in the types, with defaults, ranges and errors.\n\n${sections.join("\n")}`);
