import { formatDuration } from "../base/duration.ts";
import { isJsonObject, type Json } from "../base/json.ts";
import { formatUsd } from "../base/money.ts";
import type { LogRecord } from "../record/log-record.ts";
import { type CompletedStep, describeStep } from "../record/step.ts";
import type { Output } from "./output.ts";
import { printableLine } from "./printable.ts";
import type { Column } from "./table.ts";

/** One step of a run with the records that it wrote. */
export interface StepRow {
  readonly step: CompletedStep;
  readonly records: readonly LogRecord[];
}

export function toStepRows(steps: readonly CompletedStep[], records: readonly LogRecord[]): readonly StepRow[] {
  return steps.toSorted((a, b) => a.number - b.number).map((step) => ({ step, records: records.filter((record) => record.step === step.number) }));
}

/** The record that says most of a step: its call, else the first. What a call came to after it was given up is not what the step came to. */
export function mainRecordOf({ records }: StepRow): LogRecord | undefined {
  const own = records.filter(({ data }) => data["late"] !== true);
  return own.find(({ event_type }) => event_type === "model_call" || event_type === "tool_call") ?? own.find(({ event_type }) => event_type !== "retry") ?? records[0];
}

export function stepColumns(style: Output["style"]): readonly Column<StepRow>[] {
  return [
    { title: "step", value: ({ step }) => String(step.number), align: "right" },
    { title: "kind", value: ({ step }) => step.kind },
    { title: "name", value: (row) => nameOf(row) },
    { title: "took", value: ({ step }) => (step.attempt === 0 ? "served" : formatDuration(step.completedAtMs - step.startedAtMs)), align: "right" },
    { title: "tokens", value: (row) => mainRecordOf(row)?.tokens_used?.toLocaleString("en-US") ?? "", align: "right" },
    { title: "cost", value: (row) => costOf(mainRecordOf(row)), align: "right" },
    { title: "result", value: (row) => style(isFailed(row) ? "red" : [], describeResult(row)), grows: true },
  ];
}

/** "t1/tool/call_1 read_file", "fetch #2". */
function nameOf(row: StepRow): string {
  const described = describeStep(row.step).slice(row.step.kind.length + 1);
  const tool = mainRecordOf(row)?.tool_name ?? null;
  return printableLine(tool === null ? described : `${described} ${tool}`);
}

function costOf(record: LogRecord | undefined): string {
  return record?.cost_micro_usd === undefined || record.cost_micro_usd === null ? "" : formatUsd(record.cost_micro_usd);
}

function isFailed(row: StepRow): boolean {
  return !row.step.outcome.ok || mainRecordOf(row)?.result === "error";
}

/** What a step came to, on one line. */
export function describeResult(row: StepRow): string {
  const { outcome, kind } = row.step;
  if (!outcome.ok) return printableLine(`failed: ${outcome.failure.message}`);
  const record = mainRecordOf(row);
  if (record?.result === "error" || record?.result === "refused" || record?.result === "asked") return printableLine(`${record.result}: ${record.reason ?? ""}`);
  const { value } = outcome;
  if (kind === "child" && isJsonObject(value) && "status" in value) return printableLine(describeEnd(value));
  if (kind === "verify" && isJsonObject(value)) return value["accepted"] === true ? "accepted" : printableLine(`rejected: ${String(value["reason"])}`);
  if (kind === "tool" && isJsonObject(value) && value["ok"] === true) return oneLine(value["value"] ?? null);
  if (kind === "model" && isJsonObject(value) && typeof value["finishReason"] === "string") return describeAnswer(value);
  return oneLine(value);
}

function describeEnd(end: Readonly<Record<string, Json>>): string {
  const { status, outcome, reason, output } = end;
  return `${String(status)}(${String(outcome ?? reason ?? "")}) ${output === undefined || output === null ? "" : JSON.stringify(output)}`;
}

function describeAnswer(value: Readonly<Record<string, Json>>): string {
  const parts = isJsonObject(value["message"] ?? null) ? (value["message"] as { readonly parts?: Json }).parts : [];
  const texts = (Array.isArray(parts) ? parts : []).flatMap((part: Json) => {
    if (!isJsonObject(part)) return [];
    if (part["type"] === "tool-call") return [`calls ${String(part["toolName"])}`];
    return part["type"] === "text" && part["text"] !== "" ? [String(part["text"])] : [];
  });
  return printableLine(texts.join(", ") || String(value["finishReason"]));
}

function oneLine(value: Json): string {
  return value === null ? "" : printableLine(typeof value === "string" ? value : JSON.stringify(value));
}
