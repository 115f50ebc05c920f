import type { Json, JsonObject } from "../base/json.ts";
import type { LogRecord } from "./log-record.ts";

/**
 * What a step, a start or a transition writes beside its own row, in the same commit. Guards may refuse the whole commit with a coded error;
 * facts never do. The store adapter applies them; each is idempotent by its id.
 */
export type Write =
  /** Fact: append one record. */
  | { readonly type: "record"; readonly record: LogRecord }
  /** Fact: one message of a transcript. `id` is derived from parent and content; a prompt is known by its last message. */
  | { readonly type: "message"; readonly id: string; readonly parentId: string | null; readonly content: Json }
  /** Guard: this key belongs to this task until `expiresAtMs`; a claim that has expired at `atMs` is taken over. @throws {TASK_KEY_TAKEN} with details.taskId when another task holds it. */
  | { readonly type: "key.claim"; readonly key: string; readonly taskId: string; readonly atMs: number; readonly expiresAtMs: number }
  /** Guard: the writer still holds this lease; nobody takes it over before the commit. @throws {STORE_LEASE_LOST} when another one has. */
  | { readonly type: "lease"; readonly name: string; readonly epoch: number }
  /** Settles a reservation with what was really spent. */
  | { readonly type: "money.settle"; readonly reservationId: string; readonly spentMicroUsd: number; readonly tokens: number }
  /** Fact: the task executes no step any more, for now or for good. What its steps had set aside and did not settle is lost: nobody knows whether it was billed. */
  | { readonly type: "task.left"; readonly taskId: string }
  /**
   * Fact: what these runs of the task did is past its time, so that nothing of them is executed again: their effects are forgotten; `isWhole`: so is the task, with its money's total.
   * What is recorded and booked of it stays for its own time.
   */
  | { readonly type: "task.forgotten"; readonly taskId: string; readonly runIds: readonly string[]; readonly isWhole: boolean }
  /** Closes an intent of the effect ledger with its result. */
  | { readonly type: "effect.complete"; readonly key: string; readonly result: Json }
  /** Fact: accepted work. Moves the agent's progress counter once per `id`. */
  | { readonly type: "progress"; readonly id: string; readonly agent: string; readonly atMs: number; readonly what: string; readonly outputHash: string | null }
  /** Queues a message to people. */
  | { readonly type: "outbox"; readonly id: string; readonly notifier: string; readonly message: JsonObject; readonly atMs: number; readonly expiresAtMs: number }
  /** Keeps a small named value in place of the one before. */
  | { readonly type: "meta"; readonly name: string; readonly value: Json }
  /** What the trigger remembers between firings: next instant, cursor. */
  | { readonly type: "trigger.state"; readonly triggerId: string; readonly state: JsonObject };

/**
 * What of the writes of a superseded attempt is still true: what was said, done and paid. Records are marked `late` and get ids of their own, by `of`, which tells this
 * attempt from all others of the step; what would move the task on is dropped.
 */
export function lateWrites(writes: readonly Write[], of: string): readonly Write[] {
  return writes.flatMap((write): readonly Write[] => {
    switch (write.type) {
      case "record":
        return [{ type: "record", record: { ...write.record, id: `${write.record.id}/late/${of}`, data: { ...write.record.data, late: true } } }];
      case "message":
      case "money.settle":
      case "effect.complete":
        return [write];
      default:
        return [];
    }
  });
}

/** True for what may refuse the commit. */
export function isGuard({ type }: Write): boolean {
  return type === "key.claim" || type === "lease";
}

/** True for what never refuses and what nobody decides by: it may be stored a moment after what it belongs to. */
export function isFact({ type }: Write): boolean {
  return type === "record" || type === "message" || type === "progress";
}
