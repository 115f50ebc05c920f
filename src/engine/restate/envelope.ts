import type { Serde } from "@restatedev/restate-sdk";
import type { StepIdentity } from "../../record/step.ts";
import type { Write } from "../../record/write.ts";
import type { JournaledStep } from "../journaled-step.ts";
import { stepFromFields, textOf, type StepFields, type StepText } from "./step-text.ts";

/** A step that has ended. */
export interface Ended {
  readonly type: "ended";
  readonly step: JournaledStep;
  readonly text: StepText;
  /** The facts of a step that is in no table yet; they are stored when code was told of it. */
  readonly writes: readonly Write[];
  /** True when the step is a row of lh_journal: it was stored before Restate knew of it. */
  readonly isStored: boolean;
}

/**
 * What Restate journals of an operation. `gone`: nobody executes this activation any more. `superseded`: another attempt of it was begun; this is never journaled.
 */
export type Envelope =
  | Ended
  | { readonly type: "waiting"; readonly identity: StepIdentity; readonly awakeable: string }
  | { readonly type: "gone" }
  | { readonly type: "superseded" };

/** In Restate's journal: a step, its facts when there are any, and 1 when it is stored. All else is an object. */
type EndedFields = readonly [step: StepFields, writes?: readonly Write[], isStored?: 1];

/** Of one call. Whoever executed it is told what it came to without reading it back. */
export class EnvelopeSerde implements Serde<Envelope> {
  #own: Envelope | null = null;

  serialize(envelope: Envelope): Uint8Array {
    this.#own = envelope;
    return Buffer.from(envelope.type === "ended" ? endedText(envelope) : JSON.stringify(envelope));
  }

  deserialize(bytes: Uint8Array): Envelope {
    const envelope = this.#own ?? readEnvelope(bytes);
    this.#own = null;
    return envelope;
  }
}

function endedText({ text, writes, isStored }: Ended): string {
  if (writes.length === 0 && !isStored) return `[${text.list}]`;
  return `[${text.list},${JSON.stringify(writes)}${isStored ? ",1" : ""}]`;
}

function readEnvelope(bytes: Uint8Array): Envelope {
  const read = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()) as EndedFields | Exclude<Envelope, Ended>;
  if (!isEndedFields(read)) return read;
  const [fields, writes = [], isStored] = read;
  const step = stepFromFields(fields);
  return { type: "ended", step, text: textOf(step), writes, isStored: isStored === 1 };
}

function isEndedFields(read: EndedFields | Exclude<Envelope, Ended>): read is EndedFields {
  return Array.isArray(read);
}

/** A step that is a row of lh_journal. */
export function stored(step: JournaledStep): Ended {
  return { type: "ended", step, text: textOf(step), writes: [], isStored: true };
}
