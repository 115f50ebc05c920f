import { hashOf, isJsonObject, isNestedDeeper, type Json } from "../base/json.ts";
import type { Migration } from "./migration.ts";
import type { SqliteDatabase } from "./sqlite.ts";

/** Characters of JSON that a row holds itself. What is longer is stored once, whoever refers to it. */
export const inlineLengthMax = 4_096;

/** In the lists of everybody who stores payloads; `migrate` applies it once. */
export const payloadMigration: Migration = {
  name: "0001-payload",
  sql: `
    CREATE TABLE lh_payload (
      serial INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, value TEXT NOT NULL
    ) STRICT;
  `,
};

/** Levels of nesting that are taken apart. What is deeper is stored whole: walking it would overflow the stack, sooner in a process that has just begun. */
const depthMax = 200;

/** The one key of an object that stands for something else: a stored payload, by its hash, or, with null, an object of the user's that has this key itself. */
const key = "$payload";
const keyText = JSON.stringify(key);

/**
 * The text that a row keeps for this JSON text: the same, or one in which each long part is `{"$payload":"<hash>"}`, which names a row of lh_payload.
 * The smallest part that is long is what is taken out, so that a document is stored once, whether a step returned it, a message quotes it or a record shows it.
 */
export function storeJson(db: SqliteDatabase, text: string): string {
  if (text.length <= inlineLengthMax && !text.includes(keyText)) return text;
  return isNestedDeeper(text, depthMax) ? `{${keyText}:"${keep(db, text)}","whole":true}` : pack(db, JSON.parse(text) as Json);
}

/** True for the text of a row that holds all of its value. */
export function isInline(text: string): boolean {
  return !text.includes(keyText);
}

/** What `storeJson` was given. */
export function loadJson(db: SqliteDatabase, text: string): Json {
  const value = JSON.parse(text) as Json;
  return isInline(text) ? value : unpack(db, value);
}

function pack(db: SqliteDatabase, value: Json): string {
  const text = packParts(db, value);
  if (text.length <= inlineLengthMax) return text;
  return `{${keyText}:"${keep(db, text)}"}`;
}

function keep(db: SqliteDatabase, text: string): string {
  const hash = hashOf(text);
  db.run("INSERT INTO lh_payload (hash, value) VALUES (?, ?) ON CONFLICT DO NOTHING", hash, text);
  return hash;
}

function packParts(db: SqliteDatabase, value: Json): string {
  if (Array.isArray(value)) return `[${value.map((item: Json) => pack(db, item)).join(",")}]`;
  if (!isJsonObject(value)) return JSON.stringify(value);
  const text = `{${Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}:${pack(db, item)}`).join(",")}}`;
  return Object.hasOwn(value, key) ? `{${keyText}:null,"value":${text}}` : text;
}

function unpack(db: SqliteDatabase, value: Json): Json {
  if (Array.isArray(value)) return value.map((item: Json) => unpack(db, item));
  if (!isJsonObject(value)) return value;
  if (!Object.hasOwn(value, key)) return unpackEntries(db, value);
  const hash = value[key];
  if (typeof hash === "string") return value["whole"] === true ? (JSON.parse(payloadText(db, hash)) as Json) : loadJson(db, payloadText(db, hash));
  return unpackEntries(db, value["value"] as { readonly [name: string]: Json });
}

function unpackEntries(db: SqliteDatabase, value: { readonly [name: string]: Json }): Json {
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, unpack(db, item)]));
}

/** A payload is written in the commit that first refers to it. */
function payloadText(db: SqliteDatabase, hash: string): string {
  const row = db.get("SELECT value FROM lh_payload WHERE hash = ?", hash);
  if (row === undefined) throw new Error(`payload ${hash} is not in ${db.path}`);
  return String(row["value"]);
}
