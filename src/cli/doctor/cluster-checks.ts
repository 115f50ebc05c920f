import type { Clock } from "../../base/clock.ts";
import { withDeadline } from "../../base/deadline.ts";
import { formatDuration } from "../../base/duration.ts";
import { messageOf } from "../../base/error.ts";
import { joinUrl } from "../../base/join-url.ts";
import { shellWord } from "../../base/shell-word.ts";
import { type CalledAt, readCalledAt } from "../../runtime/called-at.ts";
import type { ClusterPlace } from "../../runtime/cluster-place.ts";
import type { OperatorView } from "../../runtime/operator-view.ts";
import { readRestateNote } from "../../runtime/restate-note.ts";
import { findPresence } from "../team-presence.ts";
import { type Check, fail, ok, tryCheck, warn } from "./check.ts";

export interface RestateAddresses {
  readonly restateIngress: string;
  readonly restateAdmin: string;
}

const answerMsMax = 5_000;

/** A team on a cluster: PostgreSQL, Restate, who looks after it. Restate is looked for where it was said to be, or else where workers find it. */
export async function checkCluster(openView: () => Promise<OperatorView>, { restateIngress, restateAdmin }: Partial<RestateAddresses>, clock: Clock): Promise<readonly Check[]> {
  let noted: ClusterPlace["restate"] | null = null;
  const database = await checkDatabase(openView, clock, async (view) => {
    noted = await readRestateNote(view.store.meta);
    const [ingress, admin] = [restateIngress ?? noted?.ingress, restateAdmin ?? noted?.admin];
    return ingress === undefined || admin === undefined ? null : await readCalledAt(view, { ingress, admin }, clock);
  });
  const { ingress, admin }: Partial<ClusterPlace["restate"]> = noted ?? {};
  return [
    ...database,
    await checkAnswer({ name: "Restate ingress", path: "/restate/health", option: "--restate-ingress", given: restateIngress, noted: ingress }, clock),
    await checkAnswer({ name: "Restate admin", path: "/health", option: "--restate-admin", given: restateAdmin, noted: admin }, clock),
  ];
}

async function checkDatabase(openView: () => Promise<OperatorView>, clock: Clock, readAddress: (view: OperatorView) => Promise<CalledAt | null>): Promise<readonly Check[]> {
  let view: OperatorView;
  try {
    view = await openView();
  } catch (error) {
    return [fail("PostgreSQL", messageOf(error), "Do what the message says.")];
  }
  try {
    return [ok("PostgreSQL", "it answers, its format is known to this version, and none of its tables and columns is missing"), await tryCheck("workers", "longhaul start team.ts", () => checkWorkers(view, clock.now())), ...(await checkAddress(view, readAddress))];
  } finally {
    await view.close();
  }
}

async function checkWorkers(view: OperatorView, nowMs: number): Promise<Check> {
  const troubled = (await view.workers()).find(({ trouble }) => trouble !== null);
  if (troubled !== undefined) return fail("workers", `${troubled.name}: ${troubled.trouble}`, "Do what the message says.");
  const { isRunning, isSilent, text } = await findPresence(view, nowMs);
  return isRunning && !isSilent ? ok("workers", text) : warn("workers", text, "longhaul start team.ts");
}

/** Nothing, while no worker lives or Restate does not answer: other checks say so. */
async function checkAddress(view: OperatorView, read: (view: OperatorView) => Promise<CalledAt | null>): Promise<readonly Check[]> {
  const found = await read(view);
  if (found === null) return [];
  const { team, called, address, isRight, workers, elsewhere } = found;
  if (!isRight) return [fail("address", `Restate calls ${team} ${called === null ? "nowhere" : `at ${called}`}, and its workers are at ${address}: whoever has the duties mends that within 30 s`, `longhaul start team.ts --advertise ${shellWord(address)}`)];
  const names = elsewhere.slice(0, namedMax).map(({ name, uri }) => `${name} at ${uri}`).join("; ");
  if (elsewhere.length > 0) return [warn("address", `Restate calls ${team} at ${address}, and no new work comes to ${names}${elsewhere.length > namedMax ? "; …" : ""}`, "Put a balancer before all workers, and give each of them its address with --advertise.")];
  return [ok("address", `Restate calls ${team} at ${address}, where ${workers === 1 ? "its worker is" : `${workers} workers are`}`)];
}

const namedMax = 3;

interface SoughtAddress {
  readonly name: string;
  readonly path: string;
  readonly option: string;
  readonly given: string | undefined;
  /** Of a worker. It need not lead there from here. */
  readonly noted: string | undefined;
}

async function checkAnswer({ name, path, option, given, noted }: SoughtAddress, clock: Clock): Promise<Check> {
  const address = given ?? noted;
  if (address === undefined) return warn(name, "not looked at: neither a worker nor an option says where it is", `Give its address with ${option}.`);
  const check = await askAnswer(name, new URL(joinUrl(address, path)), `Start Restate, or give its address with ${option}.`, clock);
  if (given !== undefined || check.status === "ok") return check;
  return warn(name, `${new URL(address).host}, which workers use, is not reached from here, and need not be: ${check.found}`, `Start Restate if it does not run, or give its address as of this machine with ${option}.`);
}

function askAnswer(name: string, url: URL, next: string, clock: Clock): Promise<Check> {
  return tryCheck(name, next, async () => {
    const onTimeout = (): Error => new Error(`no answer within ${formatDuration(answerMsMax)}`);
    try {
      const { ok: isOk, status } = await withDeadline({ clock, timeoutMs: answerMsMax, onTimeout }, (signal) => fetch(url, { signal }));
      return isOk ? ok(name, `${url.host} answers`) : fail(name, `${url.host} answers with ${status}`, next);
    } catch (error) {
      return fail(name, `${url.host}: ${error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error)}`, next);
    }
  });
}
