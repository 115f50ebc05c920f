import { formatDuration } from "../base/duration.ts";
import { messageOf } from "../base/error.ts";
import type { Json } from "../base/json.ts";
import { computeDiskStop } from "../policy/retention.ts";
import type { Store } from "../store/store.ts";
import type { Alerting } from "./alerting.ts";
import { describeDiskStop, type DiskStop, diskStopName, type DiskWatch, readDiskStop, startDiskWatch, systemUsedRatio } from "./disk-watch.ts";
import { type TeamParts, teamRecord } from "./team-parts.ts";

/** Watches the disk of a team that has its data in a directory; null for one that has them in memory or on a cluster, whose disk is another machine's. */
export async function beginDiskWatch(parts: TeamParts, store: Store, alerting: Alerting): Promise<DiskWatch | null> {
  const { clock, data, ids, name, options } = parts;
  const { dataDirectory, diskUsedRatio = systemUsedRatio } = options;
  if (dataDirectory === null || data.shared !== null) return null;
  const tell = async (stop: DiskStop | null, wasStoppedSinceMs: number | null): Promise<void> => {
    const text = stop === null ? `Tasks begin again: there is room on the disk of the data directory. They did not for ${formatDuration(clock.now() - (wasStoppedSinceMs ?? clock.now()))}.` : describeDiskStop(stop);
    const told = { event_type: "control", result: stop === null ? "dispatch-resumed" : "dispatch-stopped", reason: text, data: stop === null ? {} : { usedRatio: stop.usedRatio } } as const;
    await store.write([teamRecord(parts, told), { type: "meta", name: diskStopName, value: stop as unknown as Json }]);
    const title = stop === null ? `${name} begins tasks again` : `${name} begins no task: its disk is nearly full`;
    await alerting.enqueue({ id: ids("n"), atMs: clock.now(), team: name, agent: null, severity: stop === null ? "resolved" : "critical", title, text, data: {} });
  };
  return startDiskWatch({ clock, tell, usedRatio: () => diskUsedRatio(dataDirectory), hold: (isHeld) => data.hold(isHeld), onError: (error) => options.print(`That the disk is nearly full could not be told: ${messageOf(error)}`) }, await readDiskStop(store));
}

/** Before anything executes: no task begins where the disk is nearly full, or was when the last process ended and has not enough room since. */
export async function holdWhereFull({ data, options: { dataDirectory, diskUsedRatio = systemUsedRatio } }: TeamParts): Promise<void> {
  const used = dataDirectory === null || data.shared !== null ? null : diskUsedRatio(dataDirectory);
  if (used !== null && computeDiskStop((await readDiskStop(data.store)) !== null, used)) data.hold(true);
}
