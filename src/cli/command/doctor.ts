import { machineFacts } from "../../base/machine.ts";
import { createSecrets } from "../../runtime/secrets.ts";
import { dataDirectory } from "../../runtime/data-directory.ts";
import { openOperatorView, type OperatorView } from "../../runtime/operator-view.ts";
import type { CommandContext, ExitCode } from "../command-context.ts";
import type { Check } from "../doctor/check.ts";
import { checkCluster, type RestateAddresses } from "../doctor/cluster-checks.ts";
import { checkData } from "../doctor/data-checks.ts";
import { checkMachine } from "../doctor/machine-checks.ts";
import { checkTeam } from "../doctor/team-checks.ts";
import { tellFailure } from "../failure-report.ts";
import { withView } from "../open-view.ts";
import { printable } from "../printable.ts";

export interface DoctorOptions extends RestateAddresses {
  readonly file: string | null;
}

/** What is wrong with this installation, and what to type. Ends with 1 when something fails. */
export async function runDoctor(context: CommandContext, options: DoctorOptions): Promise<ExitCode> {
  const { output, clock, store } = context;
  const directory = dataDirectory(context.data);
  const nowMs = clock.now();
  const secrets = createSecrets(context.environment);
  const place = store === null ? await checkData(directory, clock, () => openOperatorView(context.data, clock)) : await checkCluster(() => openCluster(context, store), options, clock);
  const { checks } = await checkTeam({
    file: options.file, dataTeam: store === null ? await readDataTeam(context) : null, clock, secrets, children: store === null ? directory.children : null,
    tell: (error) => tellFailure(output, error),
  });
  const all = [...checkMachine(machineFacts(nowMs), nowMs), ...place, ...checks].map((check) => secrets.redact({ ...check }) as Check);
  const isBad = all.some(({ status }) => status === "fail");
  output.data({ at: new Date(nowMs).toISOString(), isBad, checks: all });
  output.say(...all.flatMap((check) => describe(check, output)), "", describeSum(all));
  return isBad ? 1 : 0;
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
