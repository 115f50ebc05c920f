import { readFileSync } from "node:fs";
import { isSecretReference, type SecretReference } from "../agent/secret.ts";
import { LonghaulError } from "../base/error.ts";
import { isJsonObject, type Json, type JsonObject } from "../base/json.ts";

export interface Secrets {
  /** The value of an environment variable that holds a credential; it is blanked out of records from then on. */
  readonly variable: (name: string) => string | undefined;
  /** @throws {SECRET_MISSING} */
  value(reference: string | SecretReference): string;
  values(references: Readonly<Record<string, string | SecretReference>>): Readonly<Record<string, string>>;
  /** The values that were looked up so far, in every form in which they are recognised. */
  readonly known: () => readonly string[];
  /** The same data without the values of secrets that were used. */
  readonly hide: <T extends Json>(value: T) => T;
  /** Besides, without what looks like a credential: for what is written down or shown. */
  readonly redact: <T extends Json>(value: T) => T;
}

/**
 * What is guaranteed: the value of a secret that was looked up here (`secret("NAME")`, a provider's key) does not stand in records, transcripts,
 * notifications and results of tools. Values under 6 characters are not recognised. What durable code itself returns, and the inputs and outputs of
 * tasks, stay as they are, since a replay must see the same; they are in the data file, which only its owner can read.
 */

/** Shorter values would blank out ordinary words. */
const redactLengthMin = 6;
/** What credentials look like, wherever they come from: provider keys, bearer tokens, keys in URLs. None is shorter than `credentialLengthMin`. */
const credentialPattern = /\b(?:sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|AKIA[A-Z0-9]{16})\b|(?<=\bBearer )[A-Za-z0-9._~+/-]{16,}=*/g;

const credentialLengthMin = 15;

export function createSecrets(environment: (name: string) => string | undefined): Secrets {
  /** What to look for and what to show instead. The longest first: one secret may hold another. */
  let known: readonly (readonly [form: string, label: string])[] = [];
  const remember = (name: string, value: string): string => {
    const forms = value.length >= redactLengthMin ? formsOf(value).filter((form) => !known.some(([earlier]) => earlier === form)) : [];
    if (forms.length > 0) known = [...known, ...forms.map((form) => [form, `[secret ${name}]`] as const)].toSorted(([a], [b]) => b.length - a.length);
    return value;
  };
  const value = (reference: string | SecretReference): string => {
    if (!isSecretReference(reference)) return reference;
    const { name, file } = reference;
    const found = file === null ? environment(name) : readSecretFile(name, file);
    if (found === undefined || found === "") {
      throw new LonghaulError("SECRET_MISSING", file === null ? `secret("${name}") is not set. Set the environment variable ${name}.` : `secret("${name}"): the file ${file} is empty.`);
    }
    return remember(name, found);
  };
  const hideText = (text: string): string => (known.length === 0 || text.length < redactLengthMin ? text : known.reduce((clean, [form, label]) => clean.replaceAll(form, label), text));
  const redactText = (text: string): string => (text.length < credentialLengthMin ? hideText(text) : hideText(text).replace(credentialPattern, "[secret]"));
  return {
    variable: (name) => {
      const found = environment(name);
      return found === undefined || found === "" ? undefined : remember(name, found);
    },
    value,
    values: (references) => Object.fromEntries(Object.entries(references).map(([name, reference]) => [name, value(reference)])),
    known: () => known.map(([form]) => form),
    hide: <T extends Json>(data: T): T => (known.length === 0 ? data : (mapTexts(data, hideText) as T)),
    redact: <T extends Json>(data: T): T => mapTexts(data, redactText) as T,
  };
}

/** A secret as it is, inside a JSON text, and inside a URL. */
function formsOf(secret: string): readonly string[] {
  return [...new Set([secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)])];
}

/** The same data with every text and every name in it mapped; the very value where nothing changes, which is nearly always. */
function mapTexts(value: Json, map: (text: string) => string): Json {
  if (typeof value === "string") return map(value);
  if (Array.isArray(value)) {
    const mapped = value.map((item: Json) => mapTexts(item, map));
    return mapped.every((item, index) => item === value[index]) ? value : mapped;
  }
  return isJsonObject(value) ? mapEntries(value, map) : value;
}

function mapEntries(value: JsonObject, map: (text: string) => string): JsonObject {
  const keys = Object.keys(value);
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index] as string;
    const mapped = mapTexts(value[key] as Json, map);
    if (mapped === value[key] && map(key) === key) continue;
    // What comes before is the same; what has changed is not gone through a second time.
    const before = keys.slice(0, index).map((name) => [name, value[name] as Json] as const);
    const after = keys.slice(index + 1).map((name) => [map(name), mapTexts(value[name] as Json, map)] as const);
    return Object.fromEntries([...before, [map(key), mapped] as const, ...after]);
  }
  return value;
}

function readSecretFile(name: string, file: string): string {
  try {
    return readFileSync(file, "utf8").replace(/[\r\n]+$/, "");
  } catch (error) {
    throw new LonghaulError("SECRET_MISSING", `secret("${name}"): the file ${file} cannot be read. Mount it, or set the right path.`, { cause: error });
  }
}
