import { hashOf, isJsonObject, isNestedDeeper, type Json } from "../base/json.ts";

/** Characters of JSON that a row holds itself. What is longer is stored once, whoever refers to it. */
export const inlineLengthMax = 4_096;

/** Levels of nesting that are taken apart. What is deeper is stored whole: walking it would overflow the stack, sooner in a process that has just begun. */
const depthMax = 200;

/** The one key of an object that stands for something else: a stored payload, by its hash, or, with null, an object of the user's that has this key itself. */
const key = "$payload";
const keyText = JSON.stringify(key);

/** Keeps a text under its hash. */
export type Keep = (hash: string, text: string) => void;
/** The text that was kept under a hash. */
export type Find = (hash: string) => string;

/**
 * The text that a row keeps for this JSON text: the same, or one in which each long part is `{"$payload":"<hash>"}`, which names what was kept.
 * The smallest part that is long is what is taken out, so that a document is stored once, whether a step returned it, a message quotes it or a record shows it.
 */
export function packText(text: string, keep: Keep): string {
  if (isWhole(text)) return text;
  return isNestedDeeper(text, depthMax) ? `{${keyText}:"${keepText(text, keep)}","whole":true}` : pack(JSON.parse(text) as Json, keep);
}

/** True for a JSON text that a row keeps as it is. */
export function isWhole(text: string): boolean {
  return text.length <= inlineLengthMax && isInline(text);
}

/** True for the text of a row that holds all of its value. */
export function isInline(text: string): boolean {
  return !text.includes(keyText);
}

/** Stands in each text that refers to a payload, and may stand in others. */
export const referenceMark = keyText;

/** The hashes of the payloads to which the text of a row may refer: none is left out. */
export function listReferences(text: string): readonly string[] {
  return [...text.matchAll(/"\$payload":"([^"\\]+)"/g)].map(([, hash = ""]) => hash);
}

/** What `packText` was given. */
export function unpackText(text: string, find: Find): Json {
  const value = JSON.parse(text) as Json;
  return isInline(text) ? value : unpack(value, find);
}

function pack(value: Json, keep: Keep): string {
  const text = packParts(value, keep);
  return text.length <= inlineLengthMax ? text : `{${keyText}:"${keepText(text, keep)}"}`;
}

function keepText(text: string, keep: Keep): string {
  const hash = hashOf(text);
  keep(hash, text);
  return hash;
}

function packParts(value: Json, keep: Keep): string {
  if (Array.isArray(value)) return `[${value.map((item: Json) => pack(item, keep)).join(",")}]`;
  if (!isJsonObject(value)) return JSON.stringify(value);
  const text = `{${Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}:${pack(item, keep)}`).join(",")}}`;
  return Object.hasOwn(value, key) ? `{${keyText}:null,"value":${text}}` : text;
}

function unpack(value: Json, find: Find): Json {
  if (Array.isArray(value)) return value.map((item: Json) => unpack(item, find));
  if (!isJsonObject(value)) return value;
  if (!Object.hasOwn(value, key)) return unpackEntries(value, find);
  const hash = value[key];
  if (typeof hash === "string") return value["whole"] === true ? (JSON.parse(find(hash)) as Json) : unpackText(find(hash), find);
  return unpackEntries(value["value"] as { readonly [name: string]: Json }, find);
}

function unpackEntries(value: { readonly [name: string]: Json }, find: Find): Json {
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, unpack(item, find)]));
}
