import { statSync } from "node:fs";

/** Which file stands at the path: null when there is none. Another file under the same name is another identity. */
export function fileIdentity(path: string): string | null {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats === undefined ? null : `${stats.dev}:${stats.ino}`;
}
