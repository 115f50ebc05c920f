import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..", "..");

/** A page that people read. */
export interface Page {
  /** "docs/guide/adopt.md". */
  readonly path: string;
  readonly text: string;
}

export function readText(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

/** Every page that tells users how something is done. */
export function readPages(): readonly Page[] {
  const docs = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".md"));
  const paths = ["README.md", "CONTRIBUTING.md", "templates/team/README.md", ...docs.map((name) => `docs/${name.replaceAll("\\", "/")}`)];
  return paths.map((path) => ({ path, text: readText(path) }));
}

/** A fenced block. */
export interface Block {
  readonly language: string;
  readonly text: string;
}

export function listBlocks(text: string): readonly Block[] {
  return [...text.matchAll(/^```(\w*)[^\n]*\n([^]*?)^```$/gm)].map(([, language = "", body = ""]) => ({ language, text: body }));
}

/** What stands under a heading, up to the next heading of its level or above. Throws when there is no such heading. */
export function sectionOf(text: string, heading: string): string {
  const level = /^#+/.exec(heading)?.[0].length ?? 0;
  const lines = text.split("\n");
  const from = lines.indexOf(heading);
  if (from === -1) throw new Error(`The page has no heading "${heading}".`);
  const rest = lines.slice(from + 1);
  const to = rest.findIndex((line) => new RegExp(`^#{1,${level}} `).test(line));
  return (to === -1 ? rest : rest.slice(0, to)).join("\n");
}

/** The rows of the first table of a text, without its head: cells as they are written. */
export function tableRows(text: string): readonly (readonly string[])[] {
  const lines = text.split("\n");
  const from = lines.findIndex((line) => /^\|[-| :]+\|$/.test(line));
  if (from === -1) throw new Error("The section has no table.");
  const rest = lines.slice(from + 1);
  const to = rest.findIndex((line) => !line.startsWith("|"));
  return (to === -1 ? rest : rest.slice(0, to)).map((line) => line.slice(1, -1).split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|")));
}

/** A cell without the backticks around its code. */
export function codeOf(cell: string | undefined): string {
  return /^`([^`]*)`/.exec(cell ?? "")?.[1] ?? "";
}
