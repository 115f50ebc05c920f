import { Cron } from "croner";
import { LonghaulError, messageOf } from "../base/error.ts";

/**
 * A cron pattern of five fields, or six with seconds first, in a time zone (UTC when null). It never sets a timer.
 * @throws {OPTION_INVALID} when the pattern or the time zone is not one.
 */
export function parseCron(pattern: string, timezone: string | null): Cron {
  const fields = pattern.trim().split(/\s+/);
  if (fields.length !== 5 && fields.length !== 6) {
    throw new LonghaulError("OPTION_INVALID", `The cron pattern ${JSON.stringify(pattern)} has ${fields.length} fields. Use five (minute hour day month weekday), or six with seconds first.`);
  }
  try {
    const cron = new Cron(fields.join(" "), { paused: true, mode: "5-or-6-parts", timezone: timezone ?? "UTC" });
    // The time zone is first looked at when an instant is computed.
    cron.nextRun(new Date(0));
    return cron;
  } catch (error) {
    throw new LonghaulError("OPTION_INVALID", `The cron pattern ${JSON.stringify(pattern)} in time zone ${timezone ?? "UTC"} is refused: ${messageOf(error)}. Use a pattern such as "0 9 * * *" and an IANA time zone.`, { cause: error });
  }
}
