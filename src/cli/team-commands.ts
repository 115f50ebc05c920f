import { type Command, Option } from "commander";
import type { Action } from "./command-context.ts";
import { clusterDefaults, type ClusterFlags, toClusterPlace } from "./cluster-options.ts";
import { durationValue, textValue, wholeNumber } from "./option-values.ts";
import { blockedAfterValue, bytesValue, defaultMemoryMax } from "./worker-limits.ts";

interface StartFlags {
  readonly port?: number;
  readonly drain: number;
  readonly plain?: boolean;
}

interface SupervisorFlags {
  readonly blockedAfter: number;
  readonly memoryMax?: number;
}

interface DeployFlags extends ClusterFlags {
  readonly out?: string;
  readonly drain: number;
  readonly user?: string;
}

const collect = (value: string, earlier: readonly string[]): readonly string[] => [...earlier, value];
const portMax = 65_535;

/** Commands that create and run teams: `init`, `dev`, `start`, `fake-provider`. */
export function addTeamCommands(program: Command, action: Action, { isInteractive }: { readonly isInteractive: boolean }): void {
  program
    .command("init")
    .summary("create a small project that runs")
    .description("Creates a project with a two-agent team that runs, also without a key. Overwrites nothing.")
    .argument("[dir]", "the folder; default: this one, or asked for on a terminal")
    .action(
      action(async (context, directory: string | undefined) => {
        const { runInit } = await import("./command/init.ts");
        return runInit(context, { directory: directory ?? null, isInteractive: isInteractive && !context.output.isJson });
      }),
    );
  const dev = program
    .command("dev")
    .summary("run a team, beginning anew when its code changes")
    .description("Runs a team like start, in a process of its own, and begins anew when code in the team file's folder changes.");
  addStartOptions(dev, "2s").action(
    action(async (context, file: string, flags: StartFlags) => {
      if (context.store !== null) context.output.warn("dev runs a team in its data directory: it does not use --store or LONGHAUL_STORE.");
      const { runDev } = await import("./command/dev.ts");
      return runDev(context, file, toStartOptions(flags));
    }),
  );
  const start = program
    .command("start")
    .summary("run a team until Ctrl-C")
    .description("Runs a team until Ctrl-C, which lets steps finish and loses nothing. Started again, it goes on where it stopped.");
  addClusterOptions(addSupervisorOptions(addStartOptions(start, "20s"))).action(
    action(async (context, file: string, flags: StartFlags & SupervisorFlags & ClusterFlags) => {
      const { drain, blockedAfter, memoryMax } = flags;
      context.supervisor?.begin({ blockedAfterMs: blockedAfter, memoryBytesMax: memoryMax ?? defaultMemoryMax(), drainMs: drain });
      const { runStart } = await import("./command/start.ts");
      return runStart(context, file, { ...toStartOptions(flags), cluster: toClusterPlace(context, flags) });
    }),
  );
  addDeploy(program, action);
  addFakeProvider(program, action);
}

function addDeploy(program: Command, action: Action): void {
  const deploy = program
    .command("deploy")
    .summary("write what runs a team as a service or in a container")
    .description("Writes a unit of systemd, or a Dockerfile and .dockerignore, with the paths of a team. Overwrites nothing. With --store, what it runs is a worker of a cluster; the address itself, which holds a password, is not written.")
    .argument("<target>", "systemd or docker")
    .argument("<team.ts>", "the file that exports the team")
    .option("--out <dir>", "where to write; default: the team's project, which is the nearest folder with a package.json")
    .addOption(new Option("--drain <duration>", "how long steps may finish when it is stopped").argParser(durationValue).default(durationValue("20s"), "20s"))
    .option("--user <name>", "who runs it under systemd; default: you", textValue(32));
  addClusterOptions(deploy).action(
    action(async (context, target: string, file: string, flags: DeployFlags) => {
      const { out, drain, user } = flags;
      const { runDeploy } = await import("./command/deploy.ts");
      return runDeploy(context, target, file, { out: out ?? null, drainMs: drain, user: user ?? null, cluster: toClusterPlace(context, flags) });
    }),
  );
}

function addStartOptions(command: Command, drain: string): Command {
  return command
    .argument("<team.ts>", "the file that exports the team")
    .option("--port <n>", "port of the HTTP interface on 127.0.0.1; default: 7117, or any free one when that is taken", wholeNumber(0, portMax))
    .addOption(new Option("--drain <duration>", "how long steps may finish after Ctrl-C").argParser(durationValue).default(durationValue(drain), drain))
    .option("--plain", "print plain lines instead of a live view");
}

function addSupervisorOptions(command: Command): Command {
  return command
    .addOption(new Option("--blocked-after <duration>", "how long the team's code may block its process until that is killed and started again").argParser(blockedAfterValue).default(60_000, "60s"))
    .option("--memory-max <size>", "how much memory the process may take until it is drained and started again; default: 75 % of what the container or the machine has, and 1.5GB at most", bytesValue)
    .option("--no-supervisor", "run the team in this process: nothing starts it again");
}

function addClusterOptions(command: Command): Command {
  return command
    .addOption(new Option("--engine <engine>", "embedded, or restate for a team that several processes serve; default: restate with --store").choices(["embedded", "restate"]))
    .option("--restate-ingress <url>", `where Restate takes work; default: ${clusterDefaults.restateIngress}`)
    .option("--restate-admin <url>", `where Restate takes registrations; default: ${clusterDefaults.restateAdmin}`)
    .option("--listen <host:port>", `where Restate calls this process; default: ${clusterDefaults.listen}`)
    .option("--advertise <url>", "where Restate finds the workers; default: --listen")
    .option("--identity-key <key>", "public key of a Restate that may call; needed to listen beyond this machine. May be repeated", collect, []);
}

function toStartOptions({ port, drain, plain }: StartFlags) {
  return { port: port ?? null, drainMs: drain, isPlain: plain === true };
}

function addFakeProvider(program: Command, action: Action): void {
  program
    .command("fake-provider")
    .summary("serve simulated model providers over HTTP")
    .description("Serves simulated Anthropic and OpenAI interfaces on 127.0.0.1 until Ctrl-C.")
    .option("--port <n>", "port; 0 takes any free one", wholeNumber(0, portMax), 0)
    .option("--seed <text>", "the same seed and requests give the same answers", "1")
    .option("--latency <duration>", "every answer comes so much later", durationValue)
    .option("--fault <fault>", "a status from 400 to 599, or a name: hang, cut, quota, page and the others of docs/guide/testing.md; with a share of the requests: 529:0.1. May be repeated", collect, [])
    .action(
      action(async (context, flags: { readonly port: number; readonly seed: string; readonly latency?: number; readonly fault: readonly string[] }) => {
        const { runFakeProvider } = await import("./command/fake-provider.ts");
        return runFakeProvider(context, { port: flags.port, seed: flags.seed, latencyMs: flags.latency ?? 0, faults: flags.fault });
      }),
    );
}
