import type { Json, JsonObject } from "../base/json.ts";
import type { OpenWait } from "../record/open-wait.ts";
import type { LogRecord } from "../record/log-record.ts";
import type { Run } from "../record/run.ts";
import type { Task, WaitingReason } from "../record/task.ts";
import { effectSignalPrefix, permissionSignalPrefix } from "../run/parked.ts";
import { callIdOf, type QuestionKind } from "../run/question.ts";
import type { RecordStore } from "../store/store.ts";

/** A call that waits for a person's word, as people see it. */
export interface OpenQuestion {
  readonly runId: string;
  readonly task: Task;
  /** `permission`: may it be made? `unknown-effect`: did it happen? */
  readonly kind: QuestionKind;
  /** What the model named the call; of a run that waits for several of one id, the name of the step; where that is the same too, the key of the step. */
  readonly call: string;
  /** Null when what was written at the question is not kept any more, as are the arguments and the reason. */
  readonly tool: string | null;
  readonly arguments: JsonObject | null;
  readonly reason: string | null;
  /** What the call came to after all, when nobody waited for it any more; null while nothing is known. */
  readonly late: string | null;
  /** When it was made, of a call that may have happened; null when nobody knows, and of one that was not made yet. */
  readonly calledAt: string | null;
  readonly askedAt: string;
  /** When nobody can allow it any more; null of a question that waits for as long as its task. */
  readonly until: string | null;
}

/** What questions are read from; a team that runs and an operator's read-only view both have it. */
export interface QuestionSource {
  readonly waits: (reason: WaitingReason) => Promise<readonly OpenWait[]>;
  readonly taskOfRun: (runId: string) => Promise<Task | null>;
  readonly runs: (taskId: string) => Promise<readonly Run[]>;
  readonly records: Pick<RecordStore, "query">;
}

/** Of a team that runs, or of an operator's view, and its records. */
export function questionSource(team: Omit<QuestionSource, "records">, records: QuestionSource["records"]): QuestionSource {
  return { waits: (reason) => team.waits(reason), taskOfRun: (runId) => team.taskOfRun(runId), runs: (taskId) => team.runs(taskId), records };
}

const reasonOf: Readonly<Record<QuestionKind, WaitingReason>> = { permission: "human", "unknown-effect": "unknown-effect" };
const prefixOf: Readonly<Record<QuestionKind, string>> = { permission: permissionSignalPrefix, "unknown-effect": effectSignalPrefix };

/** What waits for a person's word, the oldest first: of all runs, or of these. */
export async function listOpenQuestions(source: QuestionSource, runIds?: readonly (string | null)[]): Promise<readonly OpenQuestion[]> {
  const found = (await Promise.all((["permission", "unknown-effect"] as const).map((kind) => listOfKind(source, kind, runIds)))).flat();
  const perCall = Map.groupBy(found, ({ question }) => JSON.stringify([question.runId, question.call]));
  const named = [...perCall.values()].flatMap((same) => same.map((one) => (same.length === 1 ? one.question : { ...one.question, call: nameAmong(same, one) })));
  return named.toSorted((a, b) => a.askedAt.localeCompare(b.askedAt));
}

interface Found {
  readonly question: OpenQuestion;
  readonly stepName: string;
  /** Of the step. */
  readonly key: string;
}

function nameAmong(same: readonly Found[], { stepName, key }: Found): string {
  return same.filter((other) => other.stepName === stepName).length === 1 ? stepName : key;
}

async function listOfKind(source: QuestionSource, kind: QuestionKind, runIds: readonly (string | null)[] | undefined): Promise<readonly Found[]> {
  const waits = (await source.waits(reasonOf[kind])).filter(({ runId }) => runIds === undefined || runIds.includes(runId));
  const found = await Promise.all(waits.map((wait) => toFound(source, kind, wait)));
  return found.filter((one) => one !== null);
}

async function toFound(source: QuestionSource, kind: QuestionKind, { runId, signal, sinceAtMs, dueAtMs }: OpenWait): Promise<Found | null> {
  if (signal?.startsWith(prefixOf[kind]) !== true) return null;
  const task = await source.taskOfRun(runId);
  if (task === null) return null;
  const record = await findRecord(source, runId, signal, "asked");
  const late = kind === "unknown-effect" ? await findRecord(source, runId, signal, "late") : undefined;
  const key = signal.slice(prefixOf[kind].length);
  const stepName = stepNameOf(key);
  const question: OpenQuestion = {
    runId, task, kind,
    call: callIdOf(stepName),
    tool: record?.tool_name ?? null,
    arguments: record?.tool_args ?? null,
    reason: record?.reason ?? null,
    late: late?.reason ?? null,
    calledAt: toText(record?.data["calledAt"]),
    askedAt: record?.timestamp ?? new Date(sinceAtMs).toISOString(),
    until: dueAtMs === null ? null : new Date(dueAtMs).toISOString(),
  };
  return { question, stepName, key };
}

function toText(value: Json | undefined): string | null {
  return typeof value === "string" ? value : null;
}

/** "t1/tool/c1" of the key "r_1/tool/t1/tool/c1/1". */
function stepNameOf(key: string): string {
  return key.split("/").slice(2, -1).join("/");
}

/** The record of the question, or of what its call came to after it was asked. That was in this run, or in one whose steps were served in this one: of this task, or of the one that it is a fork of. */
async function findRecord(source: QuestionSource, runId: string, signal: string, result: "asked" | "late"): Promise<LogRecord | undefined> {
  const found = await source.records.query({ runId, eventTypes: ["approval"], result, limit: 10_000 });
  const about = found.findLast(({ record }) => record.data["signal"] === signal);
  if (about !== undefined) return about.record;
  const task = await source.taskOfRun(runId);
  const run = task === null ? undefined : (await source.runs(task.id)).find(({ id }) => id === runId);
  return run === undefined || run.fromRunId === null ? undefined : await findRecord(source, run.fromRunId, signal, result);
}
