import type { CommandContext } from "./command-context.ts";
import { usageError } from "./failure-report.ts";

/** What is in PostgreSQL is copied by its own tools. @throws {CLI_USAGE} */
export function refuseStore({ store }: Pick<CommandContext, "store">, command: string): void {
  if (store === null) return;
  throw usageError(`longhaul ${command} is about a data directory, and --store or LONGHAUL_STORE names a database. Back that up with PostgreSQL's own tools: see docs/guide/cluster.md`);
}
