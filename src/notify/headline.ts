import type { Notification } from "../record/notification.ts";

/** "[critical] prospecting: research is hollow". */
export function headlineOf({ severity, team, title }: Notification): string {
  return `[${severity}] ${team}: ${title}`;
}
