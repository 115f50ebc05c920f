import { describeRecord, type Tone } from "./describe-record.ts";
import type { LogRecord } from "../record/log-record.ts";
import type { Output } from "./output.ts";
import { cutToWidth, padToWidth, textWidth } from "./text-width.ts";

const toneStyles = { good: "green", bad: "red", attention: "yellow", plain: [], quiet: "dim" } as const satisfies Record<Tone, Parameters<Output["style"]>[0]>;

const agentWidth = 12;
const gap = "  ";
/** Less of a detail than this says nothing. */
const detailWidthMin = 8;

export interface RecordLineOptions {
  /** Local time of day instead of the full timestamp. */
  readonly isClockTime: boolean;
  /** The detail is cut so that the line fits; null: it is not. What went wrong is never cut. */
  readonly columns: number | null;
}

/** One record as one line: time, agent, what, its measures, reason and detail. */
export function formatRecordLine(record: LogRecord, { style, placed }: Pick<Output, "style" | "placed">, { isClockTime, columns }: RecordLineOptions): string {
  const line = describeRecord(record);
  const time = isClockTime ? toClockTime(record.timestamp) : record.timestamp;
  const parts = [
    style("dim", time),
    style("bold", padToWidth(line.agent, agentWidth)),
    style(toneStyles[line.tone], line.what),
    ...(line.measures.length === 0 ? [] : [style("cyan", line.measures.join(" · "))]),
    ...(line.reason === "" ? [] : [style(line.tone === "bad" || line.tone === "attention" ? toneStyles[line.tone] : [], placed(line.reason))]),
  ];
  const text = parts.join(gap);
  const room = columns === null ? line.detail.length * 2 : columns - textWidth(text) - gap.length - 1;
  return line.detail === "" || room < detailWidthMin ? text : `${text}${gap}${style("dim", cutToWidth(line.detail, room))}`;
}

/** "09:05:07" in the machine's time zone. */
function toClockTime(timestamp: string): string {
  const date = new Date(timestamp);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}
