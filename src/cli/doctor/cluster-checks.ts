import type { Clock } from "../../base/clock.ts";
import { withDeadline } from "../../base/deadline.ts";
import { formatDuration } from "../../base/duration.ts";
import { messageOf } from "../../base/error.ts";
import { joinUrl } from "../../base/join-url.ts";
import { type CalledAt, readCalledAt } from "../../runtime/called-at.ts";
import type { OperatorView } from "../../runtime/operator-view.ts";
import { findPresence } from "../team-presence.ts";
import { type Check, fail, ok, tryCheck, warn } from "./check.ts";

export interface RestateAddresses {
  readonly restateIngress: string;
  readonly restateAdmin: string;
}

const answerMsMax = 5_000;

/** A team on a cluster: PostgreSQL, Restate, who looks after it. */
export async function checkCluster(openView: () => Promise<OperatorView>, { restateIngress, restateAdmin }: RestateAddresses, clock: Clock): Promise<readonly Check[]> {
  return [
    ...(await checkDatabase(openView, clock, (view) => readCalledAt(view, { ingress: restateIngress, admin: restateAdmin }, clock))),
    await checkAnswer("Restate ingress", new URL(joinUrl(restateIngress, "/restate/health")), "--restate-ingress", clock),
    await checkAnswer("Restate admin", new URL(joinUrl(restateAdmin, "/health")), "--restate-admin", clock),
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
    return [ok("PostgreSQL", "it answers, its format is known to this version, and none of its tables is missing"), await tryCheck("workers", "longhaul start team.ts", () => checkWorkers(view, clock.now())), ...(await checkAddress(view, readAddress))];
  } finally {
    await view.close();
  }
}

async function checkWorkers(view: OperatorView, nowMs: number): Promise<Check> {
  const { isRunning, isSilent, text } = await findPresence(view, nowMs);
  return isRunning && !isSilent ? ok("workers", text) : warn("workers", text, "longhaul start team.ts");
}

/** Nothing, while no worker lives or Restate does not answer: other checks say so. */
async function checkAddress(view: OperatorView, read: (view: OperatorView) => Promise<CalledAt | null>): Promise<readonly Check[]> {
  const found = await read(view);
  if (found === null) return [];
  const { team, called, address, isRight, workers, elsewhere } = found;
  if (!isRight) return [fail("address", `Restate calls ${team} ${called === null ? "nowhere" : `at ${called}`}, and its workers are at ${address}: whoever has the duties mends that within 30 s`, `longhaul start team.ts --advertise ${address}`)];
  const names = elsewhere.slice(0, namedMax).map(({ name, uri }) => `${name} at ${uri}`).join("; ");
  if (elsewhere.length > 0) return [warn("address", `Restate calls ${team} at ${address}, and no new work comes to ${names}${elsewhere.length > namedMax ? "; …" : ""}`, "Put a balancer before all workers, and give each of them its address with --advertise.")];
  return [ok("address", `Restate calls ${team} at ${address}, where ${workers === 1 ? "its worker is" : `${workers} workers are`}`)];
}

const namedMax = 3;

function checkAnswer(name: string, url: URL, option: string, clock: Clock): Promise<Check> {
  const next = `Start Restate, or give its address with ${option}.`;
  return tryCheck(name, next, async () => {
    const onTimeout = (): Error => new Error(`${url.host} did not answer within ${formatDuration(answerMsMax)}`);
    try {
      const { ok: isOk, status } = await withDeadline({ clock, timeoutMs: answerMsMax, onTimeout }, (signal) => fetch(url, { signal }));
      return isOk ? ok(name, `${url.host} answers`) : fail(name, `${url.host} answers with ${status}`, next);
    } catch (error) {
      return fail(name, `${url.host}: ${error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error)}`, next);
    }
  });
}
