import type { StoredRecord } from "../file-state.ts";
import { eventsOf, groupBy } from "../world.ts";
import type { Invariant } from "./story-facts.ts";

const receiptsOf = (records: readonly StoredRecord[]): readonly StoredRecord[] => records.filter(({ eventType }) => eventType === "trigger");
const triggerOf = ({ data }: StoredRecord): string => String(data["triggerId"]);

/** Every task of a trigger has one receipt that says so, and every such receipt has its task. */
export const everyFiringLeavesOneReceipt: Invariant = ({ file }) => {
  const receipts = groupBy(receiptsOf(file.records).filter(({ result }) => result === "ran"), ({ taskId }) => String(taskId));
  const tasks = new Set(file.tasks.map(({ id }) => id));
  const silent = file.tasks.filter(({ source, id }) => source.startsWith("trigger ") && !receipts.has(id)).map(({ id, source }) => `task ${id} of ${source} has no receipt`);
  const hollow = [...receipts.keys()].filter((taskId) => !tasks.has(taskId)).map((taskId) => `a receipt names task ${taskId}, which does not exist`);
  return [...silent, ...hollow];
};

/** A schedule fires once for each instant, in order, and leaves out an instant only while nobody was there. */
export const schedulesFireOnce: Invariant = ({ log, file }) => {
  const openings = eventsOf(log, "opened").map(({ atMs }) => atMs);
  // By a wall clock that is set, an instant may come twice or never; on a full disk a firing waits until there is room.
  if (eventsOf(log, "stepped").length > 0) return [];
  const mayWait = eventsOf(log, "filled").length > 0;
  const schedules = groupBy(receiptsOf(file.records).filter((record) => triggerOf(record).includes("/every:") && record.data["item"] === undefined), triggerOf);
  return [...schedules].flatMap(([triggerId, receipts]) => {
    const instants = receipts.map(({ data }) => Number(data["dueAtMs"]));
    const periodMs = parsePeriodMs(triggerId);
    return instants.flatMap((atMs, index) => {
      const before = instants[index - 1];
      if (before === undefined) return [];
      if (atMs <= before) return [`${triggerId} fired for ${atMs} after ${before}`];
      const wasAway = openings.some((openedAtMs) => openedAtMs >= before && openedAtMs <= atMs + periodMs);
      return atMs - before > periodMs && !wasAway && !mayWait ? [`${triggerId} left out the instants between ${before} and ${atMs} although the team was there`] : [];
    });
  });
};

/** Every event that durable code was told is published started a task of each subscriber, once. */
export const everyEventReachesItsSubscribers: Invariant = ({ log, file }) => {
  const published = new Map(eventsOf(log, "observed").filter(({ key }) => key.split("/")[1] === "publish").map(({ key, value }) => [key, value]));
  return [...published].flatMap(([key, value]) => {
    const { tasks: promised } = JSON.parse(value) as { readonly tasks: number };
    const started = file.tasks.filter((task) => task.key?.startsWith(`event:${key}:`) ?? false).length;
    return started === promised ? [] : [`the event ${key} was published to ${promised} subscribers and started ${started} tasks`];
  });
};

/** "news/every:5s" fires every 5,000 ms. */
function parsePeriodMs(triggerId: string): number {
  const [, count = "1"] = /every:(\d+)/.exec(triggerId) ?? [];
  return Number(count) * (triggerId.endsWith("s") ? 1_000 : triggerId.endsWith("m") ? 60_000 : 1);
}
