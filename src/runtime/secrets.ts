import { readFileSync } from "node:fs";
import { isSecretReference, type SecretReference } from "../agent/secret.ts";
import { LonghaulError } from "../base/error.ts";
import { isJsonObject, type Json } from "../base/json.ts";

export interface Secrets {
  /** The value of an environment variable that holds a credential; it is blanked out of records from then on. */
  variable(name: string): string | undefined;
  /** @throws {SECRET_MISSING} */
  value(reference: string | SecretReference): string;
  values(references: Readonly<Record<string, string | SecretReference>>): Readonly<Record<string, string>>;
  /** The same data without the values of secrets that were used. */
  redact<T extends Json>(value: T): T;
}

/** Shorter values would blank out ordinary words. */
const redactLengthMin = 6;
/** What credentials look like, wherever they come from: provider keys, bearer tokens, keys in URLs. */
const credentialPattern = /\b(?:sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|AKIA[A-Z0-9]{16})\b|(?<=\bBearer )[A-Za-z0-9._~+/-]{16,}=*/g;

export function createSecrets(environment: (name: string) => string | undefined): Secrets {
  const known = new Map<string, string>();
  const remember = (name: string, value: string): string => {
    if (value.length >= redactLengthMin) known.set(value, `[secret ${name}]`);
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
  const redactText = (text: string): string => {
    let clean = text;
    for (const [secret, label] of known) if (clean.includes(secret)) clean = clean.replaceAll(secret, label);
    return clean.replace(credentialPattern, "[secret]");
  };
  return {
    variable: (name) => {
      const found = environment(name);
      return found === undefined || found === "" ? undefined : remember(name, found);
    },
    value,
    values: (references) => Object.fromEntries(Object.entries(references).map(([name, reference]) => [name, value(reference)])),
    redact: <T extends Json>(data: T): T => redactJson(data, redactText) as T,
  };
}

function redactJson(value: Json, redactText: (text: string) => string): Json {
  if (typeof value === "string") return redactText(value);
  if (Array.isArray(value)) return value.map((item: Json) => redactJson(item, redactText));
  if (isJsonObject(value)) return Object.fromEntries(Object.entries(value).map(([key, item]) => [redactText(key), redactJson(item, redactText)]));
  return value;
}

function readSecretFile(name: string, file: string): string {
  try {
    return readFileSync(file, "utf8").replace(/[\r\n]+$/, "");
  } catch (error) {
    throw new LonghaulError("SECRET_MISSING", `secret("${name}"): the file ${file} cannot be read. Mount it, or set the right path.`, { cause: error });
  }
}
