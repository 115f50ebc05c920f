import type { Command } from "commander";
import { assertWebAddresses, refuseClusterFlags } from "./cluster-options.ts";
import type { Action } from "./command-context.ts";
import type { RestateAddresses } from "./doctor/cluster-checks.ts";
import { refuseStore } from "./refuse-store.ts";

/** Commands about an installation as a whole: `backup`, `restore`, `doctor`. */
export function addDataCommands(program: Command, action: Action): void {
  program
    .command("backup")
    .summary("copy a team's data, also while it runs")
    .description("Copies everything that the team knows into one file, while it runs or not. The copy is whole and checked before it gets its name.")
    .argument("<to>", "a file, or a directory: then the backup gets a name with the team and the time")
    .option("--force", "replace a backup of that name")
    .action(
      action(async (context, to: string, flags: { readonly force?: boolean }) => {
        refuseStore(context, "backup");
        const { runBackup } = await import("./command/backup.ts");
        return runBackup(context, to, { isForced: flags.force === true });
      }),
    );
  program
    .command("restore")
    .summary("put a backup in the place of a team's data")
    .description("Puts a backup in the place of the data of a team that does not run. What was there is kept aside. Calls of once tools that the backup does not know of, and that may have been made, wait for a person.")
    .argument("<backup>", "a file that backup made")
    .action(
      action(async (context, backup: string) => {
        refuseStore(context, "restore");
        const { runRestore } = await import("./command/restore.ts");
        return runRestore(context, backup);
      }),
    );
  addDoctor(program, action);
}

interface DoctorFlags extends Partial<RestateAddresses> {
  readonly bundle?: string;
}

function addDoctor(program: Command, action: Action): void {
  program
    .command("doctor")
    .summary("what is wrong with this installation, and what to type")
    .description("Looks at the machine, the data, the team's file and what it needs: keys, MCP servers, people who are told. Ends with 1 when something fails. Changes nothing.")
    .argument("[team.ts]", "the file that exports the team; default: team.ts, where there is one")
    .option("--restate-ingress <url>", "where Restate takes work, with --store; default: where workers find it")
    .option("--restate-admin <url>", "where Restate takes registrations, with --store; default: where workers find it")
    .option("--bundle <file>", "besides, write a support bundle (.tar.gz) without secrets: what was found, versions, options, counts, the last records")
    .action(
      action(async (context, file: string | undefined, { bundle, ...addresses }: DoctorFlags) => {
        if (context.store === null) refuseClusterFlags(addresses);
        assertWebAddresses(addresses);
        const { runDoctor } = await import("./command/doctor.ts");
        return runDoctor(context, { file: file ?? null, bundle: bundle ?? null, version: program.version() ?? "", ...addresses });
      }),
    );
}
