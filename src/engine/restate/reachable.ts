import { sleep, type Clock } from "../../base/clock.ts";
import { withDeadline } from "../../base/deadline.ts";
import { LonghaulError, messageOf } from "../../base/error.ts";
import { joinUrl } from "../../base/join-url.ts";
import type { RestateAddresses } from "./restate-client.ts";

type Door = "ingress" | "admin";

/** What only one of the two answers. */
const paths: Readonly<Record<Door, string>> = { ingress: "/restate/health", admin: "/version" };
const answerMsMax = 3_000;
/** Restate that is started at the same time has this long. */
const tryForMs = 5_000;
const tryEveryMs = 500;

/**
 * Resolves when Restate answers at its addresses, each at its own.
 * @throws {OPTION_INVALID} when one is the address of the other. @throws {ENGINE_UNREACHABLE} when one does not answer.
 */
export async function assertReachable({ ingress, admin }: RestateAddresses, clock: Clock): Promise<void> {
  const untilMs = clock.monotonicMs() + tryForMs;
  await assertDoor("ingress", ingress, clock, untilMs);
  await assertDoor("admin", admin, clock, untilMs);
}

/** Why nobody answers as Restate's ingress there; null when it answers. */
export async function troubleAtIngress({ ingress }: RestateAddresses, clock: Clock): Promise<string | null> {
  const trouble = await look("ingress", ingress, clock);
  return trouble === null ? null : `Restate's ingress at ${ingress} does not answer: ${trouble}.`;
}

async function assertDoor(door: Door, address: string, clock: Clock, untilMs: number): Promise<void> {
  let trouble = await look(door, address, clock);
  if (trouble === null) return;
  const other = door === "ingress" ? "admin" : "ingress";
  if ((await look(other, address, clock)) === null) {
    throw new LonghaulError("OPTION_INVALID", `${address} was given as Restate's ${door} address (--restate-${door}), and is its ${other} address. Give the ${door} address there; by default it has port ${door === "ingress" ? "8080" : "9070"}.`);
  }
  while (trouble !== null) {
    if (clock.monotonicMs() >= untilMs) throw new LonghaulError("ENGINE_UNREACHABLE", `Restate's ${door} at ${address} does not answer: ${trouble}. Check that Restate runs, or give the right address with --restate-${door}.`, { retry: "backoff" });
    await sleep(clock, tryEveryMs);
    trouble = await look(door, address, clock);
  }
}

/** Why this door does not answer at an address; null when it does. */
async function look(door: Door, address: string, clock: Clock): Promise<string | null> {
  try {
    const onTimeout = (): Error => new Error(`nothing came within ${answerMsMax} ms`);
    const status = await withDeadline({ clock, timeoutMs: answerMsMax, onTimeout }, async (signal) => {
      const response = await fetch(joinUrl(address, paths[door]), { signal });
      await response.body?.cancel();
      return response.status;
    });
    return status === 200 ? null : `it says ${status}`;
  } catch (error) {
    return error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error);
  }
}
