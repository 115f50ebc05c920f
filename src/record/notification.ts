import type { JsonObject } from "../base/json.ts";

/** A message to people. */
export interface Notification {
  readonly id: string;
  readonly atMs: number;
  readonly team: string;
  readonly agent: string | null;
  readonly severity: "info" | "warning" | "critical" | "resolved";
  /** One line: "research is hollow". */
  readonly title: string;
  /** What was seen and what to type next. */
  readonly text: string;
  readonly data: JsonObject;
}
