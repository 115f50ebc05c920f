import type { Json } from "../base/json.ts";
import type { LogRecord } from "../record/log-record.ts";
import type { Write } from "../record/write.ts";

type RecordWrite = Extract<Write, { readonly type: "record" }>;

/** The one place through which records, transcripts and notifications go on their way to the disk: whoever wrote them, no secret gets past. */
export function redactWrites(writes: readonly Write[], redact: <T extends Json>(value: T) => T): readonly Write[] {
  return writes.map((write): Write => {
    switch (write.type) {
      case "record":
        return redactRecord(write, redact);
      case "message":
        return { ...write, content: redact(write.content) };
      case "outbox":
        return { ...write, message: redact(write.message) };
      case "key.claim":
      case "lease":
      case "money.settle":
      case "meta":
      case "task.left":
      case "task.forgotten":
      case "effect.complete":
      case "progress":
      case "trigger.state":
        return write;
    }
  });
}

/** The names of a record's fields are ours; every text in it is looked at. The very write where nothing is to be hidden, which is nearly always. */
function redactRecord(write: RecordWrite, redact: <T extends Json>(value: T) => T): Write {
  const record = write.record as unknown as Readonly<Record<string, Json>>;
  let hidden: Record<string, Json> | null = null;
  for (const name in record) {
    const value = record[name];
    if (value === undefined || value === null || typeof value === "number" || typeof value === "boolean") continue;
    const shown = redact(value);
    if (shown !== value) (hidden ??= { ...record })[name] = shown;
  }
  return hidden === null ? write : { ...write, record: hidden as unknown as LogRecord };
}
