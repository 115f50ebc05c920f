import { resolve } from "node:path";
import { shellWord } from "../base/shell-word.ts";

export const usualData = ".longhaul";

/** Commands that are about the team at one place. */
const placed = "approve|backup|breakers|cancel|deploy|dev|doctor|fork|health|logs|mcp|ps|restart|restore|runs|show|skip|sql|start|task";
const named = new RegExp(`\\blonghaul (?=(?:${placed})\\b)`, "g");

/** The text with each command in it as it is to be typed for the team at this place: "`longhaul --data ../r1 ps`". */
export function placeCommands(text: string, place: string): string {
  return place === "" ? text : text.replaceAll(named, () => `longhaul ${place} `);
}

/** What a command that is advised needs to be about the same team: "--data ../r1". Empty where it looks there by itself. */
export function placeOf({ data, store, environment }: { readonly data: string; readonly store: string | null; readonly environment: (name: string) => string | undefined }): string {
  if (store !== null) return environment("LONGHAUL_STORE") === store ? "" : `--store ${shellWord(withoutPassword(store))}`;
  return resolve(data) === resolve(environment("LONGHAUL_DATA") ?? usualData) ? "" : `--data ${shellWord(data)}`;
}

const password = "<password>";

/** A password is not repeated: whoever types the command knows it. */
function withoutPassword(store: string): string {
  const address = URL.parse(store);
  // A password that is written as it is ends at its "#", "/" or "?", and what is behind is read as something else.
  if (address === null || address.hash !== "" || `${address.pathname}${address.search}`.includes("@")) return "<url>";
  const { protocol, username, host, pathname, searchParams } = address;
  const secrets = [...searchParams.keys()].filter((name) => /pass/i.test(name));
  if (address.password === "" && secrets.length === 0) return store;
  const user = `${username}${address.password === "" ? "" : `:${password}`}`;
  const query = [...searchParams].map(([name, value]) => `${name}=${secrets.includes(name) ? password : encodeURIComponent(value)}`).join("&");
  return `${protocol}//${user === "" ? "" : `${user}@`}${host}${pathname}${query === "" ? "" : `?${query}`}`;
}
