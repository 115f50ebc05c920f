/** The address of something at a server: `path` begins with a slash, and the server's address, which may have a path of its own, may end with one. */
export function joinUrl(address: string, path: string): string {
  return `${address.replace(/\/+$/, "")}${path}`;
}
