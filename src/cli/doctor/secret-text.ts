import { redactSecrets } from "../../model/redact.ts";

const mask = "[redacted]";
/** Ends of the names under which credentials come: of fields, headers, options and variables. */
const names = "(?:key|token|secret|password|passwd|passphrase|passcode|pwd|credential|cred|authorization|auth|cookie|signature|session|jwt|dsn|private|webhook)s?(?:[-_]?(?:ids?|values?|hash|header))?";
/** Those that are the end of ordinary words as well: they count as words of their own. */
const words = "pass|pin|sig|pat|sid|otp";
const secretEnding = new RegExp(`(?:${names}|(?:^|[^a-z])(?:${words}))$`, "i");
const camelEnding = /[a-z\d](?:Pass|Pin|Sig|Pat|Sid|Otp)$/;
/** Names of tokens that are counted. */
const countEnding = /tokens$/i;

const name = `(?:${names}|\\b(?:${words}))`;
/** What follows a name: up to the closing quote or bracket where there is one. */
const value = `(?:\\\\*"[^"]*"?|\\\\*'[^']*'?|\\[[^\\]]*\\]?|\\{[^}]*\\}?|[^\\s"'&,;}\\]]+)`;

const known: readonly RegExp[] = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
  // What tokens look like at those who give them.
  /\b(?:glpat|gldt|glrt|glsoat|xapp|xox[a-z]|sk|rk|pk|pypi|lin_api|shp(?:at|ca|pa|ss))[-_][\w-]{12,}/g,
  /\b(?:github_pat|gh[a-z]|npm|hf|whsec|dckr_pat|dop_v1|r8|ntn|tvly)[-_][\w-]{16,}/g,
  /\b(?:AKIA|ASIA)[A-Z\d]{16}\b/g,
  /\b(?:SG\.|ya29\.|GOCSPX-)[\w.-]{16,}/g,
  // The path is the secret, also without `https://` before it.
  /(?<=\b(?:hooks\.slack\.com\/services|discord(?:app)?\.com\/api(?:\/v\d+)?\/webhooks)\/)\S+/g,
  /\bbot\d{5,}:[\w-]+/g,
  // A header in a text, to the end of its line or of the quotes it stands in.
  /(?<=\b(?:(?:set-)?cookie|(?:proxy-)?authorization)\\{0,8}["']?\s{0,4}[:=]\s{0,4}\\{0,8}["']?)[^\r\n"']+/gi,
  /(?<=\b(?:basic|digest|bearer|token)\s{1,4})[\w.~+/=-]{6,}/gi,
  // A count of tokens stays.
  new RegExp(`(?<=${name}\\\\{0,8}["']?(?:=|:|\\s{0,4}=>)\\s{0,4})(?<!tokens\\\\{0,8}["']?(?:=|:|\\s{0,4}=>)\\s{0,4}(?=\\d+\\b))${value}`, "gi"),
  new RegExp(`(?<=--[\\w-]*${name}\\s{1,4})${value}`, "gi"),
  /(?<=(?:^|\s)(?:-u|--user)[\s=]{1,4})\S+:\S+/g,
];

/** `[secret NAME]` stands where a known secret was. */
const address = /(?<=:\/\/)((?:\[secret [\w .-]{1,100}\]|[^\s/?#"'<>`])+)((?:\[secret [\w .-]{1,100}\]|[^\s"'<>`])*)/g;
const host = /^(?:[\w.-]*(?::\d+)?(?:,[\w.-]+(?::\d+)?)*|\[[\da-f:.]+\](?::\d+)?)$/i;

const hostLengthMax = 1_000;

/** The text without what looks like a secret. Of an address, the host stays: the path or the query may be all that keeps it secret. */
export function redactText(text: string): string {
  const clean = redactSecrets(text).replace(address, (_, authority: string, rest: string) => cutAddress(authority, rest));
  return known.reduce((shown, pattern) => shown.replace(pattern, mask), clean);
}

function cutAddress(authority: string, rest: string): string {
  if (authority.length > hostLengthMax) return mask;
  const at = authority.lastIndexOf("@");
  const place = authority.slice(at + 1).replace(/[.,;:)\]}]+$/, (end) => (authority.startsWith("[", at + 1) && end.startsWith("]") ? "]" : ""));
  // A password may hold what ends a host: what stands before a later `@` is none then.
  const isHost = host.test(place) && !(at < 0 && place.includes(":") && rest.includes("@"));
  return `${at < 0 ? "" : `${mask}@`}${isHost ? place : mask}${rest === "" ? "" : "/…"}`;
}

/** Credentials come under such a name. */
export function isSecretName(name: string): boolean {
  return secretEnding.test(name) || camelEnding.test(name);
}

/** Of a name of secrets: a number under it counts tokens. */
export function isCountName(name: string): boolean {
  return countEnding.test(name);
}

/** An option whose next word is the secret. */
export function takesSecret(word: string): boolean {
  return word === "-u" || (/^--?[\w-]+$/.test(word) && isSecretName(word));
}
