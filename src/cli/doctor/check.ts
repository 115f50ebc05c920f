import { messageOf } from "../../base/error.ts";

/** What was found at one place of an installation, and what to type when that is not as it should be. */
export interface Check {
  readonly name: string;
  /** `fail`: the team does not work, or loses something. `warn`: it may later. `skipped`: it could not be looked at. */
  readonly status: "ok" | "warn" | "fail" | "skipped";
  readonly found: string;
  readonly next: string | null;
}

export function ok(name: string, found: string): Check {
  return { name, status: "ok", found, next: null };
}

export function warn(name: string, found: string, next: string): Check {
  return { name, status: "warn", found, next };
}

export function fail(name: string, found: string, next: string): Check {
  return { name, status: "fail", found, next };
}

export function skipped(name: string, found: string, next: string): Check {
  return { name, status: "skipped", found, next };
}

/** A check that itself fails has found something. */
export async function tryCheck(name: string, next: string, body: () => Check | Promise<Check>): Promise<Check> {
  try {
    return await body();
  } catch (error) {
    return fail(name, messageOf(error), next);
  }
}
