import { LonghaulError, messageOf } from "../base/error.ts";

/**
 * What became of a statement that PostgreSQL did not carry out, as far as trying again is concerned:
 *  conflict: it was rolled back because of another transaction; the same work may succeed at once;
 *  unavailable: the server, the way to it or its disk failed; the same work may succeed later. Whether a COMMIT that ended so took effect, nobody knows;
 *  stale: a table of a statement that this connection keeps has changed since: the same work may succeed at once on another one;
 *  refused: the server let us not in: a password, a right, a database that does not exist;
 *  other: the statement itself.
 */
export type PostgresFailure = "conflict" | "unavailable" | "stale" | "refused" | "other";

/** Serialization failure, deadlock, a lock that was not to be had in time. */
const conflictStates = ["40001", "40P01", "55P03"];
/** Shutting down, crashed, starting up; a connection that was cut because its transaction stood still. */
const unavailableStates = ["57P01", "57P02", "57P03", "57P05", "25P03", "25P04", "58030"];
/** Connection failed; out of connections, memory, disk. */
const unavailableClasses = ["08", "53"];
/** Authentication, an unknown database. */
const refusedClasses = ["28", "3D"];
const socketCodes = ["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "ECONNABORTED", "EHOSTUNREACH", "ENETUNREACH", "EHOSTDOWN", "ENETDOWN", "EAI_AGAIN", "ENOTFOUND", "ENOENT"];
const statePattern = /^[0-9A-Z]{5}$/;
/** What the driver says in words only. */
const driverWords = /^(Connection terminated|timeout exceeded when trying to connect|timeout expired|Client has encountered a connection error|Query read timeout|Client was closed|The server closed)/;

/** What the driver failed with. Only that is believed: what a function throws that uses a transaction, or a step, may have the same codes and is its own trouble. */
const ofDriver = new WeakSet();

/** Notes that this came from the driver. Returns it. */
export function fromDriver(error: unknown): unknown {
  if (error instanceof Error) ofDriver.add(error);
  return error;
}

/** Of connections that were not to be had, and whose server or network is not what failed: it does not let us in. The driver says much of that in words only. */
const ofConnecting = new WeakSet();

/** Like `fromDriver`, for what came of connecting. What this machine lacks, such as open files, is not the server's word. */
export function fromConnecting(error: unknown): unknown {
  if (error instanceof Error && !("syscall" in error)) ofConnecting.add(error);
  return fromDriver(error);
}

export function classifyFailure(error: unknown): PostgresFailure {
  return error instanceof Error && ofDriver.has(error) ? classify(error) : "other";
}

function classify(error: Error): PostgresFailure {
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return classify(error.errors[0]);
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (conflictStates.includes(code)) return "conflict";
  if (socketCodes.includes(code) || driverWords.test(error.message) || unavailableStates.includes(code)) return "unavailable";
  if (ofConnecting.has(error) && !unavailableClasses.includes(code.slice(0, 2))) return "refused";
  if (!statePattern.test(code)) return "other";
  // A newer version added a column while this one runs. The words of it depend on the server's language.
  if (code === "0A000" && "routine" in error && error.routine === "RevalidateCachedQuery") return "stale";
  if (unavailableClasses.includes(code.slice(0, 2))) return "unavailable";
  return refusedClasses.includes(code.slice(0, 2)) ? "refused" : "other";
}

/** True of what a standby answers to what only a primary does. */
export function isOfStandby(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "25006";
}

/** A server that refuses to write where nobody asked it not to has become a standby: its connections lead to the wrong server until they are made anew. */
export function asStandby(error: unknown): unknown {
  if (!isOfStandby(error)) return error;
  return fromDriver(Object.assign(new Error(`${messageOf(error)}: the server is a standby`, { cause: error }), { code: "57P03" }));
}

/** What PostgreSQL says of values and of what a trigger refuses: the same work comes to the same again. */
const workClasses = ["21", "22", "23", "44", "54", "P0"];

/** True when the server kept the work from being done, or somebody who looks after it: an outage, a statement that was ended, a right that is missing. False of what the work itself comes to. */
export function isOfServer(error: unknown): boolean {
  if (error instanceof LonghaulError) return isPassing(error) || error.code === "STORE_REFUSED" || isBrokenStatement(error);
  if (!(error instanceof Error && ofDriver.has(error))) return false;
  return classify(error) !== "other" || ("code" in error && typeof error.code === "string" && statePattern.test(error.code) && !workClasses.includes(error.code.slice(0, 2)));
}

/** What PostgreSQL says of a statement that it cannot do at all: what that names is not there, or is not understood. */
const brokenClasses = ["42", "3F", "0A"];
/** Of these, what another try may mend: a right that is given meanwhile, a name that another one has on a connection that several share. */
const mendedStates = ["42501", "42P05"];

/** True of what `asBrokenStatement` made. */
export function isBrokenStatement(error: unknown): boolean {
  return error instanceof LonghaulError && error.code === "STORE_STATEMENT";
}

/** True when a table or a column is gone that a statement of ours names. */
export function isMissingTable(error: unknown): boolean {
  return error instanceof Error && ofDriver.has(error) && "code" in error && (error.code === "42P01" || error.code === "42703");
}

/** A statement of ours that the server cannot do, and that no later try mends while the schema stays as it is; every other error as it is. */
export function asBrokenStatement({ where, schema }: { readonly where: string; readonly schema: string }, error: unknown): unknown {
  if (classifyFailure(error) !== "other" || !(error instanceof Error && ofDriver.has(error) && "code" in error && typeof error.code === "string")) return error;
  if (!statePattern.test(error.code) || !brokenClasses.includes(error.code.slice(0, 2)) || mendedStates.includes(error.code)) return error;
  return new LonghaulError("STORE_STATEMENT", `PostgreSQL at ${where} cannot do a statement of Longhaul: ${reasonOf(error)} (${error.code}). Start a worker of the newest version, which brings the schema ${schema} up to date, and stop older ones; a table or column that somebody dropped or renamed comes back from a backup of PostgreSQL only.`, { cause: error });
}

/** True of a statement that was ended: its time was over, or somebody ended it by hand. */
export function isCanceled(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "57014";
}

/** True when a later try of the same work may succeed by itself. */
export function isPassing(error: unknown): boolean {
  if (error instanceof LonghaulError) return error.code === "STORE_UNREACHABLE" || error.code === "STORE_CONFLICT" || error.code === "STORE_COMMIT_UNKNOWN";
  const failure = classifyFailure(error);
  return failure === "conflict" || failure === "unavailable";
}

export function toUnreachable(where: string, error: unknown, triedMs: number): LonghaulError {
  return new LonghaulError("STORE_UNREACHABLE", `PostgreSQL at ${where} does not do its work, tried for ${Math.round(triedMs / 1_000)} s: ${reasonOf(error)}. Check that it runs and that this machine reaches it.`, {
    retry: "backoff",
    cause: error,
  });
}

export function toConflict(where: string, error: unknown, tries: number): LonghaulError {
  return new LonghaulError("STORE_CONFLICT", `A transaction at ${where} met others ${tries} times and was rolled back each time: ${reasonOf(error)}. Try it again later; make it shorter if it is frequent.`, {
    retry: "backoff",
    cause: error,
  });
}

export function toCommitUnknown(where: string, error: unknown): LonghaulError {
  return new LonghaulError("STORE_COMMIT_UNKNOWN", `The connection to ${where} was lost during COMMIT (${reasonOf(error)}): nobody knows whether the transaction took effect. Look, or do the same work again if it is idempotent.`, {
    retry: "backoff",
    cause: error,
  });
}

export function toRefused(where: string, error: unknown): LonghaulError {
  // So says the driver where the server asks for a password and there is none.
  if (/password must be a/.test(messageOf(error))) return new LonghaulError("STORE_REFUSED", `PostgreSQL at ${where} asks for a password, and there is no password in the address. Use postgres://user:password@host/database, or set PGPASSWORD.`, { cause: error });
  return new LonghaulError("STORE_REFUSED", `PostgreSQL at ${where} refuses the connection: ${reasonOf(error)}. Mend the user, the password or the database name in the address.`, { cause: error });
}

/** True of what the server answers to a user that may connect and may not do what a statement does. */
export function isMissingRight(error: unknown): boolean {
  return error instanceof Error && ofDriver.has(error) && "code" in error && error.code === "42501";
}

/** What the server answers to a user that may connect and may not do what is needed; every other error as it is. */
export function asMissingRight({ where, schema }: { readonly where: string; readonly schema: string }, error: unknown): unknown {
  if (!isMissingRight(error)) return error;
  return new LonghaulError("STORE_REFUSED", `PostgreSQL at ${where} does not let this user do what is needed: ${reasonOf(error)}. Use a user that owns the schema; as the database's owner, before the first start: CREATE SCHEMA ${schema} AUTHORIZATION <user>.`, { cause: error });
}

/** A connection that is tried on several addresses fails with several errors under an empty message. */
function reasonOf(error: unknown): string {
  return error instanceof AggregateError && error.message === "" ? error.errors.map(messageOf).join("; ") : messageOf(error);
}
