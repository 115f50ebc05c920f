import type { Json, JsonObject } from "../base/json.ts";
import type { LogRecord } from "../record/log-record.ts";
import type { Write } from "../record/write.ts";

/** The one place through which records, transcripts and notifications go on their way to the disk: whoever wrote them, no secret gets past. */
export function redactWrites(writes: readonly Write[], redact: <T extends Json>(value: T) => T): readonly Write[] {
  return writes.map((write): Write => {
    switch (write.type) {
      case "record":
        return { ...write, record: redact(write.record as unknown as JsonObject) as unknown as LogRecord };
      case "message":
        return { ...write, content: redact(write.content) };
      case "outbox":
        return { ...write, message: redact(write.message) };
      case "key.claim":
      case "lease":
      case "money.settle":
      case "meta":
      case "task.left":
      case "effect.complete":
      case "progress":
      case "trigger.state":
        return write;
    }
  });
}
