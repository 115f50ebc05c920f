import { InvalidArgumentError } from "commander";
import { formatDuration, parseDuration } from "../base/duration.ts";
import { messageOf } from "../base/error.ts";
import { type EventType, eventTypes } from "../record/log-record.ts";
import type { TaskStatus } from "../record/task.ts";

/** A duration such as "30s"; a bare number is milliseconds. */
export function durationValue(text: string): number {
  try {
    return parseDuration(/^\d+$/.test(text) ? Number(text) : text, "It");
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
}

/** A duration that is not longer than another one. */
export function durationUpTo(maxMs: number): (text: string) => number {
  return (text) => {
    const value = durationValue(text);
    if (value > maxMs) throw new InvalidArgumentError(`It is longer than ${formatDuration(maxMs)}.`);
    return value;
  };
}

/** The id of a task or a run, or the name of an agent. */
export function idValue(text: string): string {
  if (text.trim() === "") throw new InvalidArgumentError("It is empty. See what there is with: longhaul ps --all");
  return text;
}

/** A text that is not empty, of at most so many characters. */
export function textValue(lengthMax: number): (text: string) => string {
  return (text) => {
    if (text.trim() === "" || text.length > lengthMax) throw new InvalidArgumentError(`Use a text of 1 to ${lengthMax} characters.`);
    return text;
  };
}

/** A whole number between two bounds, both included. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isInteger(value) || value < min || value > max) throw new InvalidArgumentError(`Use a whole number from ${min} to ${max}.`);
    return value;
  };
}

/** An instant: ISO-8601, or a duration before now. */
export function instantValue(nowMs: number): (text: string) => number {
  return (text) => {
    if (/^\d+(\.\d+)?(ms|s|m|h|d)$/.test(text)) return nowMs - durationValue(text);
    const atMs = Date.parse(text);
    if (Number.isNaN(atMs)) throw new InvalidArgumentError('Use a duration before now, as in "1h", or an instant, as in "2026-01-15T10:00:00Z".');
    return atMs;
  };
}

/** Event types, separated by commas. */
export function eventTypesValue(text: string): readonly EventType[] {
  const names = text.split(",").map((name) => name.trim());
  const unknown = names.filter((name) => !(eventTypes as readonly string[]).includes(name));
  if (unknown.length > 0) throw new InvalidArgumentError(`There is no event type ${unknown.join(", ")}. There are: ${eventTypes.join(", ")}.`);
  return names as EventType[];
}

export const taskStatuses: readonly TaskStatus[] = ["queued", "running", "waiting", "done", "dead", "canceled"];
