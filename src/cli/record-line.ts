import { describeRecord, type Tone } from "./describe-record.ts";
import type { LogRecord } from "../record/log-record.ts";
import type { Output } from "./output.ts";
import { padToWidth } from "./text-width.ts";

const toneStyles = { good: "green", bad: "red", attention: "yellow", plain: [], quiet: "dim" } as const satisfies Record<Tone, Parameters<Output["style"]>[0]>;

const agentWidth = 12;

/** One record as one line: time, agent, what, its measures, reason and detail. Local time with `clockTime`, else the full timestamp. */
export function formatRecordLine(record: LogRecord, style: Output["style"], { isClockTime }: { readonly isClockTime: boolean }): string {
  const line = describeRecord(record);
  const time = isClockTime ? toClockTime(record.timestamp) : record.timestamp;
  const parts = [
    style("dim", time),
    style("bold", padToWidth(line.agent, agentWidth)),
    style(toneStyles[line.tone], line.what),
    ...(line.measures.length === 0 ? [] : [style("cyan", line.measures.join(" · "))]),
    ...(line.reason === "" ? [] : [style(line.tone === "bad" || line.tone === "attention" ? toneStyles[line.tone] : [], line.reason)]),
    ...(line.detail === "" ? [] : [style("dim", line.detail)]),
  ];
  return parts.join("  ");
}

/** "09:05:07" in the machine's time zone. */
function toClockTime(timestamp: string): string {
  const date = new Date(timestamp);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}
