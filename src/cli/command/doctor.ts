import { machineFacts } from "../../base/machine.ts";
import { dataDirectory } from "../../runtime/data-directory.ts";
import { openOperatorView, type OperatorView } from "../../runtime/operator-view.ts";
import { createSecrets, type Secrets } from "../../runtime/secrets.ts";
import type { CommandContext, ExitCode } from "../command-context.ts";
import { type BundleOptions, writeBundle } from "../doctor/bundle.ts";
import type { Check } from "../doctor/check.ts";
import { checkCluster, type RestateAddresses } from "../doctor/cluster-checks.ts";
import { checkData } from "../doctor/data-checks.ts";
import { checkMachine } from "../doctor/machine-checks.ts";
import { listEnvironmentSecrets } from "../doctor/redact-bundle.ts";
import { checkTeam } from "../doctor/team-checks.ts";
import { tellFailure } from "../failure-report.ts";
import { formatBytes } from "../format-bytes.ts";
import { withView } from "../open-view.ts";
import { printable } from "../printable.ts";

export interface DoctorOptions extends Partial<RestateAddresses> {
  readonly file: string | null;
  /** Where a support bundle is written; null: none is. */
  readonly bundle: string | null;
  /** Of longhaul. */
  readonly version: string;
}

/** What is wrong with this installation, and what to type. Ends with 1 when something fails. */
export async function runDoctor(context: CommandContext, options: DoctorOptions): Promise<ExitCode> {
  const { output, clock, store } = context;
  const directory = dataDirectory(context.data);
  const nowMs = clock.now();
  const secrets = createDoctorSecrets(context);
  const place = store === null ? await checkData(directory, clock, () => openOperatorView(context.data, clock)) : await checkCluster(() => openCluster(context, store), options, clock);
  const { checks, team } = await checkTeam({
    file: options.file, dataTeam: store === null ? await readDataTeam(context) : null, clock, secrets, children: store === null ? directory.children : null,
    tell: (error) => tellFailure(output, error),
  });
  const all = [...checkMachine(machineFacts(nowMs), nowMs), ...place, ...checks].map((check) => secrets.redact({ ...check }) as Check).map((check) => ({ ...check, found: output.placed(check.found), next: check.next === null ? null : output.placed(check.next) }));
  const isBad = all.some(({ status }) => status === "fail");
  const bundle = options.bundle === null ? null : await bundleUp(context, { file: options.bundle, nowMs, version: options.version, checks: all, team, directory: store === null ? directory.path : null, redact: secrets.redact });
  output.data({ at: new Date(nowMs).toISOString(), isBad, checks: all, bundle });
  output.say(...all.flatMap((check) => describe(check, output)), "", describeSum(all));
  if (bundle !== null) output.say("", `${bundle.file}: ${formatBytes(bundle.bytes)}, ${bundle.files.join(", ")}.`, "Secrets are blanked out of it. Look through records.jsonl before you send it: arguments of tools are in there.");
  return isBad ? 1 : 0;
}

/** Knows what the environment keeps under a secret's name, before anything is looked at. */
function createDoctorSecrets({ environment }: CommandContext): Secrets {
  const named = listEnvironmentSecrets(process.env);
  const secrets = createSecrets((name) => named.get(name) ?? environment(name));
  for (const name of named.keys()) secrets.variable(name);
  return secrets;
}

async function bundleUp(context: CommandContext, options: Omit<BundleOptions, "view">): Promise<{ readonly file: string; readonly bytes: number; readonly files: readonly string[] }> {
  const write = (view: OperatorView | null) => writeBundle({ ...options, view });
  const hasData = options.checks.some(({ name, status }) => (name === "format" || name === "PostgreSQL") && status === "ok");
  return { file: options.file, ...(hasData ? await withView(context, write) : await write(null)) };
}

async function openCluster({ clock, random }: CommandContext, store: string): Promise<OperatorView> {
  return await (await import("../../runtime/cluster-view.ts")).openClusterView({ store, clock, random });
}

/** Whose the data is; null where there is none, or it cannot be read. */
async function readDataTeam(context: CommandContext): Promise<string | null> {
  try {
    return await withView(context, async (view) => (await view.manifest())?.team ?? null);
  } catch {
    return null; // Its own check says why.
  }
}

const marks = { ok: ["green", "ok"], warn: ["yellow", "warn"], fail: ["red", "FAIL"], skipped: ["dim", "-"] } as const;
const nameWidth = 20;

function describe({ name, status, found, next }: Check, { style }: CommandContext["output"]): readonly string[] {
  const [colour, mark] = marks[status];
  const [first = "", ...rest] = printable(found).split("\n");
  return [`${style(colour, mark.padEnd(4))}  ${name.padEnd(nameWidth)}  ${first}`, ...rest.map((line) => `      ${line}`), ...(next === null ? [] : [`      ${style("dim", "Next:")} ${printable(next)}`])];
}

function describeSum(checks: readonly Check[]): string {
  const count = (status: Check["status"]): number => checks.filter((check) => check.status === status).length;
  const [failed, warned] = [count("fail"), count("warn")];
  if (failed === 0 && warned === 0) return "Nothing is wrong.";
  return `${failed} ${failed === 1 ? "thing fails" : "things fail"}, ${warned} may fail later.`;
}
