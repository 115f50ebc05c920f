import { formatDuration } from "../../base/duration.ts";
import { LonghaulError } from "../../base/error.ts";
import { isJsonObject, type Json } from "../../base/json.ts";
import { formatUsd } from "../../base/money.ts";
import { compensationIdOf } from "../../engine/compensation.ts";
import { toTaskView } from "../../http/task-view.ts";
import type { EventType } from "../../record/log-record.ts";
import { outcomeToJson } from "../../record/step.ts";
import type { Run } from "../../record/run.ts";
import { stopReasonOf } from "../../record/stop-reason.ts";
import type { Task } from "../../record/task.ts";
import { findForgotten } from "../../runtime/forgotten-task.ts";
import type { OperatorView } from "../../runtime/operator-view.ts";
import type { CommandContext, ExitCode } from "../command-context.ts";
import { formatWaysOn, toMismatch } from "../mismatch-lines.ts";
import { questionsOf, withView } from "../open-view.ts";
import { printable, printableLine } from "../printable.ts";
import { createEnvironmentRedactor } from "../redact-environment.ts";
import { mainRecordOf, type StepRow, stepColumns, toStepRows } from "../step-row.ts";
import { formatTable } from "../table.ts";
import { describeStatus, describeWaitingCall, statusStyle } from "../task-columns.ts";
import { formatTranscript, textOfValue } from "../transcript-text.ts";

export interface ShowOptions {
  readonly step?: number;
}

type Redact = <T extends Json>(value: T) => T;

/** A task with the steps of its run; with `step`, everything of one step. @throws {TASK_UNKNOWN} */
export function runShow(context: CommandContext, id: string, { step }: ShowOptions): Promise<ExitCode> {
  return withView(context, async (view) => {
    const redact = createEnvironmentRedactor(process.env);
    const { task, runId } = await find(view, id);
    const rows = runId === null ? [] : await readRows(view, runId);
    if (step === undefined) await showTask(context, view, redact(task as unknown as Json) as unknown as Task, runId, redactRows(rows, redact));
    else await showStep(context, view, task, { row: findStep(rows, step, runId ?? task.id), redact });
    return 0;
  });
}

async function find(view: OperatorView, id: string): Promise<{ readonly task: Task; readonly runId: string | null }> {
  const task = await view.task(id);
  if (task !== null) return { task, runId: task.runId };
  const ofRun = await view.taskOfRun(id);
  if (ofRun !== null) return { task: ofRun, runId: id };
  const forgotten = await findForgotten(view, id);
  if (forgotten !== null) throw forgotten;
  throw new LonghaulError("TASK_UNKNOWN", `There is no task or run ${JSON.stringify(id)}.`);
}

async function readRows(view: OperatorView, runId: string): Promise<readonly StepRow[]> {
  const [steps, records] = await Promise.all([view.steps(runId), view.store.records.query({ runId, limit: 10_000 })]);
  return toStepRows(steps, records.map(({ record }) => record));
}

function redactRows(rows: readonly StepRow[], redact: Redact): readonly StepRow[] {
  return redact(rows as unknown as Json) as unknown as readonly StepRow[];
}

function findStep(rows: readonly StepRow[], number: number, id: string): StepRow {
  const row = rows.find((candidate) => candidate.step.number === number);
  if (row !== undefined) return row;
  const known = rows.length === 0 ? "It has no completed step yet" : `It has ${rows.map((candidate) => candidate.step.number).join(", ")}`;
  throw new LonghaulError("OPTION_INVALID", `${id} has no completed step ${number}. ${known}. See them with \`longhaul show ${id}\`.`);
}

async function showTask({ output }: CommandContext, view: OperatorView, task: Task, runId: string | null, rows: readonly StepRow[]): Promise<void> {
  const [money, runs] = await Promise.all([view.store.money.spent({ taskId: task.id }), view.runs(task.id)]);
  const mismatch = toMismatch(task, runs.at(-1)?.id === runId ? runs.at(-1) : undefined);
  output.data({ task: toTaskView(task), crashes: task.recoveries, runId, runs: runs.map(toRunJson), mismatch: mismatch === null ? null : { ...mismatch, waysOn: mismatch.waysOn.map(({ command, does }) => ({ command: output.placed(command), does })) }, tokens: money.tokens, costMicroUsd: money.spentMicroUsd, steps: rows.map(toStepJson) });
  if (output.isJson) return;
  const { end } = task;
  const named = (name: string, text: string): string => `${output.style("dim", name.padEnd(9))}${text}`;
  const line = (name: string, text: string): void => output.say(named(name, text));
  const quoted = (name: string, text: string): void => output.quote(named(name, text));
  line("task", `${task.id}  ${task.agent}  ${output.style(statusStyle(task), describeStatus(task))}`);
  if (runId !== null) line("run", describeRun(runId, runs));
  quoted("from", printableLine(`${task.source}${task.key === null ? "" : `, key ${task.key}`}`));
  line("when", `${new Date(task.createdAtMs).toISOString()}${task.endedAtMs === null ? "" : `, took ${formatDuration(task.endedAtMs - (task.startedAtMs ?? task.createdAtMs))}`}`);
  if (money.tokens > 0) line("spent", `${money.tokens.toLocaleString("en-US")} tokens, ${formatUsd(money.spentMicroUsd)}`);
  quoted("input", `${printableLine(JSON.stringify(task.input))}${task.doubts.length === 0 ? "" : output.style("yellow", `  (from ${task.doubts.join(" and ")} outputs)`)}`);
  if (end?.status === "done") quoted("output", printable(textOfValue(end.output)));
  if (end?.status === "done" && end.evidence !== null) quoted("evidence", printableLine(JSON.stringify(end.evidence)));
  if (end?.status === "done" && end.reason !== null) quoted(end.outcome, printableLine(end.reason));
  const stopped = stopReasonOf(task);
  if (stopped !== null) line("stopped", stopped);
  if (end?.status === "dead") line("reason", printable(`${end.reason}: ${end.failure.message}`));
  if (end?.status === "canceled") quoted("reason", printable(end.reason));
  const undoing = runId === null ? null : await view.task(compensationIdOf(runId));
  if (undoing !== null) line("undone", `by ${undoing.id}, ${describeStatus(undoing)}`);
  if (task.recoveries > 0) line("crashes", await describeCrashes(view, task));
  for (const reason of await listNearLimits(view, runId)) line("limit", printableLine(reason));
  if (mismatch !== null) line("expected", printableLine(mismatch.expected));
  if (mismatch !== null) line("came", printableLine(mismatch.came));
  if (mismatch !== null) output.say("", ...formatWaysOn(mismatch));
  else if (task.status === "waiting") line("waits", await describeWait(view, task));
  if (rows.length === 0) return;
  output.quote("", ...formatTable(stepColumns(output.style), rows, { columns: output.columns, styleTitle: (text) => output.style("dim", text) }));
  output.say("", output.style("dim", `Everything of one step: longhaul show ${task.id} --step ${rows.at(-1)?.step.number ?? 1}`));
}

/** The run, where its first steps come from, and the others of its task. */
function describeRun(runId: string, runs: readonly Run[]): string {
  const run = runs.find(({ id }) => id === runId);
  const others = runs.filter(({ id }) => id !== runId).map(({ id }) => id);
  return `${runId}${run === undefined || run.fromRunId === null ? "" : `, first steps from ${run.fromRunId}`}${others.length === 0 ? "" : `, other runs of the task: ${others.join(", ")}`}`;
}

function toRunJson({ id, number, agentVersion, fromRunId }: Run): object {
  return { id, number, agentVersion, fromRunId };
}

/** In how many crashes of the process the task was executing; of one that goes on, how many more it may. */
async function describeCrashes({ store }: OperatorView, { id, recoveries, end }: Task): Promise<string> {
  const told = end === null ? await store.records.query({ taskId: id, eventTypes: ["task"], result: "queued", limit: 100 }) : [];
  const last = told.findLast(({ record }) => record.data["crashes"] !== undefined)?.record.reason ?? null;
  return last === null ? `it was executing in ${recoveries} ${recoveries === 1 ? "crash" : "crashes"} of its process` : printableLine(last);
}

/** What was announced of the limits of a run. */
async function listNearLimits(view: OperatorView, runId: string | null): Promise<readonly string[]> {
  if (runId === null) return [];
  const told = await view.store.records.query({ runId, eventTypes: ["run"], result: "limit-near", limit: 10 });
  return told.map(({ record }) => record.reason ?? "");
}

const waitTellers: readonly EventType[] = ["budget", "park", "breaker", "model_call", "retry"];

/** What a waiting task waits for, in the words of the record that says most of it. */
async function describeWait(view: OperatorView, task: Task): Promise<string> {
  const asked = await questionsOf(view, [task.runId]);
  if (asked.length > 0) return printableLine(`${task.waitingReason ?? "unknown"}: ${asked.map((question) => question.reason ?? describeWaitingCall(question)).join("; ")}`);
  const told = await view.store.records.query({ taskId: task.id, eventTypes: waitTellers, limit: 100 });
  const reason = told.findLast(({ record }) => record.reason !== null)?.record.reason ?? null;
  return printableLine(`${task.waitingReason ?? "unknown"}${reason === null || ["timer", "signal", "child"].includes(task.waitingReason ?? "") ? "" : `: ${reason}`}`);
}

async function showStep({ output }: CommandContext, view: OperatorView, task: Task, found: { readonly row: StepRow; readonly redact: Redact }): Promise<void> {
  const row = found.redact(found.row as unknown as Json) as unknown as StepRow;
  const record = mainRecordOf(row);
  const transcript = record?.data["transcript"];
  const stored = typeof transcript === "string" ? await view.store.messages.transcript(transcript) : [];
  const messages = found.redact(stored as unknown as Json) as unknown as typeof stored;
  output.data({ taskId: task.id, agent: task.agent, ...toStepJson(row), messages, records: row.records });
  if (output.isJson) return;
  const { step } = row;
  const title = printableLine(`step ${step.number}: ${step.kind} ${step.name} of ${task.agent} (${task.id})`);
  output.quote(output.style("bold", title), `${new Date(step.startedAtMs).toISOString()}, ${step.attempt === 0 ? "served from another run" : `took ${formatDuration(step.completedAtMs - step.startedAtMs)}, attempt ${step.attempt}`}`);
  if (record !== undefined) output.quote(...measuresOf(row).map(printableLine));
  output.quote("");
  if (messages.length > 0) output.quote(...formatTranscript(messages, output.style));
  if (record?.tool_args !== undefined && record.tool_args !== null) output.quote(output.style("bold", "── arguments"), printable(textOfValue(record.tool_args)), "");
  if (messages.length === 0) output.quote(output.style("bold", step.outcome.ok ? "── result" : "── failure"), printable(textOfValue(resultOf(row))));
}

function measuresOf(row: StepRow): readonly string[] {
  const record = mainRecordOf(row);
  if (record === undefined) return [];
  const { model, usage, finishReason, responseModel } = record.data;
  return [
    ...(typeof model === "string" ? [`model ${model}${typeof responseModel === "string" && responseModel !== "" ? ` (answered: ${responseModel})` : ""}${record.simulated ? ", simulated" : ""}`] : []),
    ...(record.cost_micro_usd === null && record.tokens_used === null ? [] : [`${(record.tokens_used ?? 0).toLocaleString("en-US")} tokens, ${record.cost_micro_usd === null ? "cost unknown" : formatUsd(record.cost_micro_usd)}`]),
    ...(usage === undefined ? [] : [`usage ${JSON.stringify(usage)}`]),
    ...(typeof finishReason === "string" ? [`finished: ${finishReason}`] : []),
    ...(record.result === null ? [] : [`result: ${record.result}${record.reason === null ? "" : `: ${printableLine(record.reason)}`}`]),
    ...row.records.filter(({ event_type }) => event_type === "retry").map(({ reason }) => `tried again: ${printableLine(reason ?? "")}`),
  ];
}

/** A tool's journal entry wraps what it returned. */
function resultOf({ step }: StepRow): Json {
  const { outcome, kind } = step;
  if (outcome.ok && kind === "tool" && isJsonObject(outcome.value) && outcome.value["ok"] === true) return outcome.value["value"] ?? null;
  return outcome.ok ? outcome.value : ((outcomeToJson(outcome) as { readonly failure: Json }).failure ?? null);
}

function toStepJson(row: StepRow): object {
  const { step } = row;
  const record = mainRecordOf(row);
  return {
    step: step.number,
    kind: step.kind,
    name: step.name,
    occurrence: step.occurrence,
    attempt: step.attempt,
    startedAt: new Date(step.startedAtMs).toISOString(),
    durationMs: step.completedAtMs - step.startedAtMs,
    tool: record?.tool_name ?? null,
    tokens: record?.tokens_used ?? null,
    costMicroUsd: record?.cost_micro_usd ?? null,
    outcome: outcomeToJson(step.outcome),
  };
}
