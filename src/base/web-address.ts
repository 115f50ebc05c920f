/** Whether a value is an address of HTTP. The scheme is looked for as it is written: `URL` reads `host:9080` as one of a scheme "host". */
export function isWebAddress(value: unknown): boolean {
  return typeof value === "string" && /^https?:\/\//i.test(value) && URL.canParse(value);
}
