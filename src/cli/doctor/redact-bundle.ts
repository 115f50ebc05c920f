import { isJsonObject, type Json, type JsonObject } from "../../base/json.ts";
import { secretName } from "../redact-environment.ts";
import { isCountName, isSecretName, redactText, takesSecret } from "./secret-text.ts";

const mask = "[redacted]";
/** Fields of which the values are blanked out, and the names stay. */
const secretMaps = /^(raw_?headers|headers|env|environment)$/i;
/** Longer texts are cut: nobody needs the whole of a prompt to see what is wrong. */
const textLengthMax = 300;
const depthMax = 12;

/** What leaves the machine: without known secrets (`known`), without what looks like one, and without the values of fields that are named like one. */
export function createBundleRedactor(known: <T extends Json>(value: T) => T): (value: Json) => Json {
  const redactOne = (text: string): string => {
    const clean = redactText(known(text));
    return clean.length > textLengthMax ? `${clean.slice(0, textLengthMax)}… (${clean.length} characters)` : clean;
  };
  const redactField = (name: string, value: Json, depth: number): Json => {
    if (isSecretName(name)) return isCountName(name) && typeof value === "number" ? value : blank(value);
    return secretMaps.test(name) ? blankMap(value) : redactJson(value, depth);
  };
  /** The names stay, also of `{name, value}`. */
  const blankMap = (value: Json): Json => {
    if (Array.isArray(value)) return value.map((item: Json) => (isJsonObject(item) ? redactPair(item, () => blank) : blank(item)));
    return isJsonObject(value) ? Object.fromEntries(Object.entries(value).map(([name, field]) => [redactOne(name), blank(field)])) : blank(value);
  };
  const redactPair = (pair: JsonObject, redactValue: (name: string) => (value: Json) => Json): Json =>
    Object.fromEntries(Object.entries(pair).map(([name, field]) => [redactOne(name), pairNames.has(name) && typeof field === "string" ? redactOne(field) : redactValue(name)(field)]));
  const redactList = (list: readonly Json[], depth: number): Json =>
    list.map((item, index) => {
      const before = list[index - 1];
      const isSecret = typeof before === "string" && (takesSecret(before) || (list.length === 2 && isSecretName(before)));
      return isSecret ? blank(item) : redactJson(item, depth);
    });
  const redactJson = (value: Json, depth: number): Json => {
    if (typeof value === "string") return redactOne(value);
    if (typeof value !== "object" || value === null) return value;
    if (depth > depthMax) return "…";
    if (!isJsonObject(value)) return redactList(value, depth + 1);
    const isSecretPair = [...pairNames].some((name) => typeof value[name] === "string" && isSecretName(value[name])) && pairValues.some((name) => name in value);
    if (isSecretPair) return redactPair(value, (name) => (pairValues.includes(name) ? blank : (field) => redactField(name, field, depth + 1)));
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [redactOne(name), redactField(name, field, depth + 1)]));
  };
  return (value) => redactJson(value, 0);
}

/** `{name, value}` is an entry of a map written as a list. */
const pairNames: ReadonlySet<string> = new Set(["name", "key", "header"]);
const pairValues: readonly string[] = ["value", "values"];

/** Whatever it holds. That there is none, and whether something is on, is no secret. */
function blank(value: Json): Json {
  return value === null || value === "" || typeof value === "boolean" ? value : mask;
}

/** What an environment keeps under a secret's name, and the passwords in addresses that it holds under any name. */
export function listEnvironmentSecrets(environment: Readonly<Record<string, string | undefined>>): ReadonlyMap<string, string> {
  const secrets = new Map<string, string>();
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined || value === "") continue;
    if (secretName.test(name)) secrets.set(name, value);
    const password = URL.parse(value)?.password ?? "";
    if (password !== "") secrets.set(`${name} password`, decode(password));
  }
  return secrets;
}

/** A `%` in it may stand for itself. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
