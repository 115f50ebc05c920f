/** What keys look like at the providers, and in headers and fields that carry them. */
const secretPatterns: readonly RegExp[] = [
  /\b(?:sk|rk|pk|gsk|xai|key)-[\w*.-]{6,}/g,
  /\bAIza[\w-]{20,}/g,
  /\bBearer\s+[\w.~+/*=-]{6,}/gi,
  /\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*/g,
  /(?<="?(?:x-)?api[-_]?key"?\s{0,8}[:=]\s{0,8}"?)[^\s"',}]{6,}/gi,
];

/** The text without anything that looks like a key, and without the given secrets. */
export function redactSecrets(text: string, secrets: readonly string[] = []): string {
  let redacted = text;
  for (const secret of secrets) {
    if (secret.length >= 4) redacted = redacted.replaceAll(secret, "[redacted]");
  }
  for (const pattern of secretPatterns) redacted = redacted.replace(pattern, "[redacted]");
  return redacted;
}
