import { isJsonObject, type Json } from "../../base/json.ts";
import { redactSecrets } from "../../model/redact.ts";
import { secretName } from "../redact-environment.ts";

/** Fields of which every value is blanked out, whatever it is: credentials come in them. */
const secretFields = /(key|token|secret|password|passwd|passphrase|credentials?|authorization|auth|cookie|signature|pin|private)$/i;
/** Fields of which the values are blanked out, and the names stay. */
const secretMaps = /^(headers|env|environment)$/i;
/** Between `//` and `@` of an address; what stands behind the name of a secret in a query, an assignment or an option. */
const inText: readonly (readonly [pattern: RegExp, shown: string])[] = [
  [/(?<=\/\/)[^\s/?#@]+(?=@)/g, "[redacted]"],
  [/(?<=\b(?:basic|digest|bearer|token)\s+)[\w.~+/=-]{6,}/gi, "[redacted]"],
  [/(?<=[\w-]*(?:key|token|secret|password|passwd|signature|sig)["']?(?:=|:|\s*=>)\s*["']?)[^\s"'&,;}\]]{3,}/gi, "[redacted]"],
  [/(?<=--[\w-]*(?:key|token|secret|password)\s+)\S+/gi, "[redacted]"],
  [/(?<=\bhooks\.slack\.com\/services\/)\S+/g, "[redacted]"],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, "[redacted]"],
];
/** Longer texts are cut: nobody needs the whole of a prompt to see what is wrong. */
const textLengthMax = 300;
const depthMax = 12;

/** What leaves the machine: without known secrets (`known`), without what looks like one, and without the values of fields that are named like one. */
export function createBundleRedactor(known: <T extends Json>(value: T) => T): (value: Json) => Json {
  const redactText = (text: string): string => {
    const clean = inText.reduce((shown, [pattern, label]) => shown.replace(pattern, label), redactSecrets(known(text)));
    return clean.length > textLengthMax ? `${clean.slice(0, textLengthMax)}… (${clean.length} characters)` : clean;
  };
  const redactJson = (value: Json, depth: number): Json => {
    if (typeof value === "string") return redactText(value);
    if (typeof value !== "object" || value === null) return value;
    if (depth > depthMax) return "…";
    if (!isJsonObject(value)) return value.map((item) => redactJson(item, depth + 1));
    return Object.fromEntries(
      Object.entries(value).map(([name, field]): [string, Json] => {
        const isText = typeof field === "string" && field !== "";
        if (secretFields.test(name) && (isText || typeof field === "number")) return [redactText(name), "[redacted]"];
        if (secretMaps.test(name) && isJsonObject(field)) return [name, Object.fromEntries(Object.keys(field).map((key) => [redactText(key), "[redacted]"]))];
        return [redactText(name), redactJson(field, depth + 1)];
      }),
    );
  };
  return (value) => redactJson(value, 0);
}

/** What an environment keeps under a secret's name, and the passwords in addresses that it holds under any name. */
export function listEnvironmentSecrets(environment: Readonly<Record<string, string | undefined>>): ReadonlyMap<string, string> {
  const secrets = new Map<string, string>();
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined || value === "") continue;
    if (secretName.test(name)) secrets.set(name, value);
    const password = URL.parse(value)?.password ?? "";
    if (password !== "") secrets.set(`${name} password`, decodeURIComponent(password));
  }
  return secrets;
}
