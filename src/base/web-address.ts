/** Whether text is an address of HTTP. The scheme is looked for as it is written: `URL` reads `host:9080` as one of a scheme "host". */
export function isWebAddress(text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text);
}
