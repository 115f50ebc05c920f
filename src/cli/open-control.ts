import type { CommandContext } from "./command-context.ts";
import type { Control } from "./control.ts";

/** Control of a team where it is: in its data directory, or on a cluster. */
export async function openControl(context: CommandContext): Promise<Control> {
  if (context.store === null) return (await import("./local-control.ts")).createLocalControl(context);
  return (await import("./cluster-control.ts")).createClusterControl(context, context.store);
}
