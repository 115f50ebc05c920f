import type { LogRecord } from "../../record/log-record.ts";
import { messageOf } from "../../base/error.ts";
import { formatDuration } from "../../base/duration.ts";
import { systemProcess } from "../../base/process.ts";
import type { DrainReport, RecoveryReport } from "../../engine/engine.ts";
import { type ClusterPlace, describeStore } from "../../runtime/cluster-place.ts";
import { dataDirectory, prepareDataDirectory } from "../../runtime/data-directory.ts";
import { leaveFatalReports } from "../../runtime/fatal-report.ts";
import { type LiveTeam, openLiveTeam } from "../../runtime/live-team.ts";
import { assertNoOtherSupervisor } from "../../runtime/read-restart-note.ts";
import { captureWrites } from "../capture-writes.ts";
import type { CommandContext, ExitCode } from "../command-context.ts";
import { tellFailure } from "../failure-report.ts";
import { createLivePresenter } from "../live-presenter.ts";
import { loadTeam } from "../load-team.ts";
import { createOutput } from "../output.ts";
import { createPlainPresenter } from "../plain-presenter.ts";
import { printable } from "../printable.ts";
import type { Presenter } from "../presenter.ts";
import { StatusBoard } from "../status-board.ts";
import { listenForStop, type StopSignal } from "../stop-signal.ts";
import type { SupervisorLink } from "../supervisor-link.ts";
import { recycledExitCode } from "../supervisor/worker-message.ts";
import { placeOf } from "../typed-command.ts";
import { openTeamServers, type TeamServers } from "../team-servers.ts";

export interface StartOptions {
  /** Null: the default, or any free one when that is taken. */
  readonly port: number | null;
  readonly drainMs: number;
  readonly isPlain: boolean;
  /** Where the team is, when several processes serve it. Default: in the data directory. */
  readonly cluster?: ClusterPlace | null;
  /** How long this process may be silent until another one takes over. Default 15 s. */
  readonly leaseMs?: number;
}

/**
 * Runs a team until Ctrl-C. Ends with 0 when it was asked to stop, with 1 when another process took the data directory over, or it was deleted, and with 75
 * when its supervisor wants a new process to go on.
 */
export async function runStart(given: CommandContext, file: string, options: StartOptions): Promise<ExitCode> {
  const { context, release } = keepJsonClean(given);
  const { cluster = null } = options;
  const { supervisor = null } = context;
  const definition = await loadTeam(file, (error) => tellFailure(context.output, error));
  const held: LogRecord[] = [];
  let presenter: Presenter | null = null;
  let onFenced: (error: Error) => void = () => undefined;
  const fenced = new Promise<Error>((resolve) => {
    onFenced = resolve;
  });
  const directory = dataDirectory(context.data);
  const token = prepareDataDirectory(directory, () => newToken(context));
  if (cluster === null) assertNoOtherSupervisor(directory.supervisor, systemProcess(), process.ppid);
  const team = await openLiveTeam({
    team: definition,
    dataDirectory: directory.path,
    ...(cluster === null ? {} : { cluster }),
    clock: context.clock,
    random: context.random,
    environment: context.environment,
    print: (line) => presenter?.line(printable(line)),
    onRecord: (record) => {
      if (presenter === null) held.push(record);
      else presenter.record(record);
    },
    onFenced,
    ...(options.leaseMs === undefined ? {} : { leaseMs: options.leaseMs }),
    ...(supervisor === null ? {} : { workersBefore: supervisor.before }),
  });
  supervisor?.tell({ type: "opened", ...(cluster === null ? { noteFile: directory.supervisor } : {}) });
  const stop = listenForStop({ clock: context.clock, onFirst: () => supervisor?.tell({ type: "stops" }), beforeEnd: () => presenter?.close(), ...(supervisor === null ? {} : { relay: (onWish) => supervisor.onStop(onWish) }) });
  const releaseFailures = reportFailures((text) => presenter?.line(text), () => presenter?.close());
  let servers: TeamServers | null = null;
  try {
    presenter = await createPresenter(context, team, options);
    for (const record of held) presenter.record(record);
    servers = await openTeamServers({ team, directory, hasSocket: cluster === null, token, port: options.port, clock: context.clock });
    leaveFatalReports(directory.path, team.worker);
    const report = await team.start();
    presenter.started({ team: team.team.name, agents: namesOf(team), dataDirectory: directory.path, store: cluster === null ? null : describeStore(cluster), url: servers.url, resumed: report.resumed });
    sayQuarantined(presenter, report);
    for (const text of team.missing) presenter.line(text);
    supervisor?.tell({ type: "works" });
    const stopped = await untilStopped({ presenter, team, stop, fenced, supervisor, drainMs: options.drainMs });
    await servers.close();
    servers = null;
    await closeTeam(team, stopped);
    presenter.stopped(stopped.text, stopped.details);
    return stopped.exitCode;
  } catch (error) {
    await servers?.close();
    await closeTeam(team, { isFenced: true, recycled: null, because: null });
    throw error;
  } finally {
    presenter?.close();
    stop.release();
    releaseFailures();
    release();
  }
}

interface Stopping {
  readonly presenter: Presenter;
  readonly team: LiveTeam;
  readonly stop: StopSignal;
  readonly fenced: Promise<Error>;
  readonly supervisor: SupervisorLink | null;
  readonly drainMs: number;
}

interface Stopped {
  readonly exitCode: ExitCode;
  readonly isFenced: boolean;
  /** Why this process gives way to a new one; null: it does not. */
  readonly recycled: string | null;
  /** Why it stops, when nobody asked it to. */
  readonly because: string | null;
  readonly text: string;
  readonly details: object;
}

async function untilStopped({ presenter, team, stop, fenced, supervisor, drainMs }: Stopping): Promise<Stopped> {
  const recycled = supervisor?.recycled.then((reason) => ({ reason }));
  const abandoned = supervisor?.abandoned.then((reason) => ({ abandoned: reason }));
  const why = await Promise.race([stop.asked, fenced, ...(recycled === undefined ? [] : [recycled]), ...(abandoned === undefined ? [] : [abandoned])]);
  if (why instanceof Error) return { exitCode: 1, isFenced: true, recycled: null, because: null, text: `${why.message} [ENGINE_FENCED]`, details: { reason: "fenced" } };
  const reason = typeof why === "object" && "reason" in why ? why.reason : null;
  const because = typeof why === "object" && "abandoned" in why ? why.abandoned : null;
  const intro = because !== null ? `Stopping, as ${because} and nobody would start this process again` : reason === null ? "Stopping" : "Stopping, to go on in a new process";
  presenter.draining(`${intro}: steps that are under way may finish, for at most ${formatDuration(drainMs)}.${reason === null ? " Ctrl-C again stops at once." : ""}`);
  if (reason !== null) void stop.asked.then(() => presenter.line("Stopping; no new process goes on. Ctrl-C again stops at once."));
  if (because !== null) await team.tellEnding(because);
  const report = await team.drain(drainMs);
  const isRecycled = reason !== null && !stop.isAsked();
  return { exitCode: isRecycled ? recycledExitCode : 0, isFenced: false, recycled: isRecycled ? reason : null, because, text: describeDrain(report), details: { ...report, ...(isRecycled ? { reason: "recycled" } : {}) } };
}

/** A team that was fenced, or failed to start, may refuse its last write; what led to that is what is told. */
async function closeTeam(team: LiveTeam, { isFenced, recycled, because }: Pick<Stopped, "isFenced" | "recycled" | "because">): Promise<void> {
  try {
    await team.close({ ...(recycled === null ? {} : { recycled }), ...(because === null ? {} : { because }) });
  } catch (error) {
    if (!isFenced) throw error;
  }
}

function describeDrain({ interrupted }: DrainReport): string {
  if (interrupted === 0) return "Stopped. Nothing was interrupted; what is queued or waits goes on at the next start.";
  return `Stopped. ${interrupted} ${interrupted === 1 ? "run was" : "runs were"} interrupted and ${interrupted === 1 ? "resumes" : "resume"} at the next start.`;
}

function sayQuarantined(presenter: Presenter, { quarantined }: RecoveryReport): void {
  if (quarantined > 0) presenter.line(`${quarantined} ${quarantined === 1 ? "task was" : "tasks were"} interrupted too often and will not be tried again. See: longhaul runs --status dead`);
}

async function createPresenter(context: CommandContext, team: LiveTeam, { isPlain }: StartOptions): Promise<Presenter> {
  const { output, clock } = context;
  if (output.isJson || isPlain || output.columns === null) return createPlainPresenter(output);
  return createLivePresenter({ stdout: process.stdout, stderr: process.stderr, clock, output, board: await createBoard(context, team) });
}

/** The board begins with what is on disk; records keep it up to date. */
async function createBoard({ clock }: CommandContext, team: LiveTeam): Promise<StatusBoard> {
  const nowMs = clock.now();
  const dayMs = 86_400_000;
  const sinceMs = nowMs - (nowMs % dayMs);
  const [openTasks, usage, calls] = await Promise.all([
    team.tasks.list({ statuses: ["queued", "running", "waiting"], limit: 10_000 }),
    team.records.usageByAgent({ sinceMs, untilMs: nowMs + 1 }),
    team.records.query({ eventTypes: ["model_call"], sinceMs, limit: 1 }),
  ]);
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const isSimulated = calls.some(({ record }) => record.simulated);
  return new StatusBoard({ agents: namesOf(team), openTasks, tokensToday: sum(usage.map(({ tokens }) => tokens)), costMicroUsdToday: sum(usage.map(({ costMicroUsd }) => costMicroUsd)), isSimulated, nowMs });
}

function namesOf({ team }: LiveTeam): readonly string[] {
  return [...team.spec.agents, ...(team.spec.flows ?? [])].map(({ name }) => name);
}

function newToken({ random }: CommandContext): string {
  return Array.from({ length: 32 }, () => Math.floor(random.next() * 256).toString(16).padStart(2, "0")).join("");
}

/** Under `--json`, what the team's own code prints goes to standard error. */
function keepJsonClean(context: CommandContext): { readonly context: CommandContext; readonly release: () => void } {
  if (!context.output.isJson) return { context, release: () => undefined };
  const capture = captureWrites(process.stdout, (text) => process.stderr.write(text));
  const output = createOutput({ stdout: { write: capture.write }, stderr: process.stderr, isJson: true, hasColors: false, place: placeOf(context) });
  return { context: { ...context, output }, release: capture.release };
}

/**
 * What user code throws outside of runs. A promise that nobody awaited is told and the team goes on; an exception that nobody caught leaves the process in a
 * state that nobody knows: it ends, and its runs resume at the next start.
 */
function reportFailures(say: (text: string) => void, giveBack: () => void): () => void {
  const onRejection = (reason: unknown): void => say(`A promise outside of any run was rejected and nobody handled it. The team goes on.\n${stackOf(reason)}`);
  const onException = (error: unknown): void => {
    giveBack();
    process.stderr.write(`An exception outside of any run was not caught, so this process ends. Its runs resume at the next start.\n${stackOf(error)}\n`);
    process.exit(1);
  };
  process.on("unhandledRejection", onRejection);
  process.on("uncaughtException", onException);
  return () => {
    process.off("unhandledRejection", onRejection);
    process.off("uncaughtException", onException);
  };
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : messageOf(error);
}
