import type { TeamDefinition } from "longhaul";
import type { Json } from "../../src/base/json.ts";
import type { Model } from "../../src/model/model.ts";
import type { TaskStatus } from "../../src/record/task.ts";
import type { Outside } from "./outside.ts";

/** Something that a client or an operator does, `atMs` after the story's beginning. It is repeated until it is acknowledged, also after a crash. */
export type Action = { readonly id: string; readonly atMs: number } & (
  | { readonly type: "submit"; readonly agent: string; readonly input: Json; readonly key: string; readonly ends?: readonly TaskStatus[] }
  /** To the run of the task that the action `of` submitted. */
  | { readonly type: "signal"; readonly of: string; readonly name: string; readonly payload: Json }
  | { readonly type: "cancel" | "restart"; readonly of: string }
  /** The process is asked to end, and is started again after `downMs`. */
  | { readonly type: "drain"; readonly timeoutMs: number; readonly downMs: number }
);

/** A representative team, and what is done with it. */
export interface Scenario {
  readonly name: string;
  readonly define: (outside: Outside) => TeamDefinition;
  readonly model?: (outside: Outside) => Model;
  readonly actions: readonly Action[];
  /** Triggers find work for this long; the story ends when all work is done. Default 0. */
  readonly horizonMs?: number;
  /** Frames in the write-ahead log after which it is worked off into the data file. Default 200. */
  readonly checkpointFrames?: number;
}
