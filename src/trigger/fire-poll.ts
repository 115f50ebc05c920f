import { LonghaulError } from "../base/error.ts";
import { isJsonObject, type Json, type JsonObject, toJson } from "../base/json.ts";
import type { PollTrigger } from "../agent/trigger-definition.ts";
import type { ReceiptResult } from "../record/receipt.ts";
import { describeSource, type DueFiring, failFiring, type FiringEnd, type FiringPorts, isQueueFull, isRefusal, receiptOf, toStateWrite } from "./firing.ts";
import { describeThrown, runUserCode } from "./user-code.ts";

/** Tasks that one round starts at most. */
export const pollItemsMax = 1000;

interface Answer {
  readonly items: readonly unknown[];
  readonly cursor: JsonObject | null;
}

/** What a round did with the items. */
interface Round {
  /** Tasks that it started. */
  readonly started: number;
  /** Items that had a task. */
  readonly known: number;
  /** Items that user code or the agent's schema refused. */
  readonly refused: number;
  /** Items that it did not come to. */
  readonly left: number;
  readonly lastTaskId: string | null;
  readonly isQueueFull: boolean;
}

/**
 * One round of `poll`: a task for each item that has none. The cursor is saved when all items of the round were seen to; otherwise the next round asks
 * with the old one, and the items that have tasks are known by their keys.
 */
export async function firePoll(ports: FiringPorts, due: DueFiring<PollTrigger<unknown>>): Promise<FiringEnd> {
  const { trigger, triggerId } = due.registration;
  const answered = await runUserCode(ports.clock, `\`poll\` of ${triggerId}`, ports.signal, async (signal) => parseAnswer(await trigger.poll(due.state.cursor, { signal }), triggerId));
  if (!answered.ok) return failFiring(ports, due, answered.error);
  const { items, cursor } = answered.value;
  const round = await startItems(ports, due, items);
  const { started, known, refused, left, lastTaskId } = round;
  const result = resultOf(round);
  const state = { ...due.after, lastTaskId: lastTaskId ?? due.after.lastTaskId, cursor: left === 0 && cursor !== null ? cursor : due.after.cursor };
  await ports.write([...receiptOf(ports, due, result, { data: { items: items.length, started, known, refused, left } }), toStateWrite(triggerId, state)]);
  return { result, state };
}

function resultOf({ lastTaskId, isQueueFull, left, refused }: Round): ReceiptResult {
  if (isQueueFull) return { result: "deferred", reason: `queue-full, ${left} items left` };
  if (lastTaskId !== null) return { result: "ran", taskId: lastTaskId };
  return { result: "skipped", reason: refused === 0 ? "no-work" : `error: ${refused} items refused` };
}

function parseAnswer(answer: unknown, triggerId: string): Answer {
  const { items, cursor } = (isJsonObject(answer) ? answer : {}) as { readonly items?: unknown; readonly cursor?: unknown };
  if (!Array.isArray(items)) throw new LonghaulError("OPTION_INVALID", `\`poll\` of ${triggerId} returned no list of items. Return { items, cursor }.`);
  if (cursor === undefined) return { items, cursor: null };
  const stored = toJson(cursor, `The cursor of ${triggerId}`);
  if (!isJsonObject(stored)) throw new LonghaulError("OPTION_INVALID", `\`poll\` of ${triggerId} returned the cursor ${JSON.stringify(stored)}. Return an object of plain data, or none.`);
  return { items, cursor: stored };
}

async function startItems(ports: FiringPorts, due: DueFiring<PollTrigger<unknown>>, items: readonly unknown[]): Promise<Round> {
  const counts = { started: 0, known: 0, refused: 0 };
  let lastTaskId: string | null = null;
  for (const [index, item] of items.entries()) {
    ports.signal.throwIfAborted();
    if (counts.started >= pollItemsMax) return { ...counts, lastTaskId, left: items.length - index, isQueueFull: false };
    const end = await startItem(ports, due, item, index);
    if (end.kind === "queue-full") return { ...counts, lastTaskId, left: items.length - index, isQueueFull: true };
    counts[end.kind]++;
    if (end.kind === "started") lastTaskId = end.taskId;
  }
  return { ...counts, lastTaskId, left: 0, isQueueFull: false };
}

type ItemEnd = { readonly kind: "started"; readonly taskId: string } | { readonly kind: "known" | "refused" | "queue-full" };

/** One item that cannot be made into a task leaves its own receipt and holds up no other. */
async function startItem(ports: FiringPorts, due: DueFiring<PollTrigger<unknown>>, item: unknown, index: number): Promise<ItemEnd> {
  const { triggerId, agent, trigger } = due.registration;
  const made = await runUserCode(ports.clock, `\`key\` or \`input\` of ${triggerId}`, ports.signal, () => makeItem(trigger, triggerId, item));
  if (!made.ok) return refuseItem(ports, due, `#${index}`, made.error);
  const { itemKey, input } = made.value;
  const key = `trigger:${triggerId}:item:${itemKey}`;
  const id = ports.taskId();
  try {
    const writes = receiptOf(ports, due, { result: "ran", taskId: id }, { key, data: { item: itemKey } });
    const { created, taskId } = await ports.start({ task: { id, agent, input, key, source: describeSource(triggerId) }, writes });
    return created ? { kind: "started", taskId } : { kind: "known" };
  } catch (error) {
    if (isQueueFull(error)) return { kind: "queue-full" };
    if (isRefusal(error)) return refuseItem(ports, due, itemKey, error);
    throw error;
  }
}

function makeItem(trigger: PollTrigger<unknown>, triggerId: string, item: unknown): { readonly itemKey: string; readonly input: Json } {
  const itemKey: unknown = trigger.key(item as never);
  if (typeof itemKey !== "string" || itemKey === "") throw new LonghaulError("OPTION_INVALID", `\`key\` of ${triggerId} returned ${JSON.stringify(itemKey)}. Return the item's own identity as a text.`);
  return { itemKey, input: toJson(trigger.input(item as never), `The input of ${triggerId}`) };
}

async function refuseItem(ports: FiringPorts, due: DueFiring, item: string, error: unknown): Promise<ItemEnd> {
  await ports.write(receiptOf(ports, due, { result: "skipped", reason: describeThrown(error) }, { key: `${due.key}:item:${item}`, data: { item }, error }));
  return { kind: "refused" };
}
