import { parseArgs } from "node:util";
import { fitSlope } from "../test/soak/slope.ts";
import { type Day, runSteadyTeam } from "../test/soak/steady-team.ts";

/**
 * A team that does the same every day, for ninety days of virtual time with the retention that is the default: how large its data file is at the end of each day.
 *
 *   npm run retention                ninety days
 *   npm run retention -- --days 45
 *
 * Exits with 1 when the file grows after day 35 by more than the keys that are kept for 400 days: 250 bytes for each.
 */
const { values } = parseArgs({ options: { days: { type: "string", default: "90" } } });
/** The longest of what is kept by the day is 30 days, and is looked for once an hour. */
const steadyFrom = 35;
const bytesPerKeyMax = 250;

const row = ({ day, fileBytes, freeBytes, ...counts }: Day): string => [day, (fileBytes / 1e6).toFixed(2), (freeBytes / 1e6).toFixed(2), ...Object.values(counts)].map((value) => String(value).padStart(9)).join("");
console.log(["day", "file MB", "free MB", "tasks", "steps", "records", "messages", "payloads", "keys"].map((title) => title.padStart(9)).join(""));
const fromMs = performance.now();
const days = await runSteadyTeam({ days: Number(values.days), onDay: (day) => console.log(row(day)) });
const steady = days.filter(({ day }) => day >= steadyFrom);
const used = fitSlope(steady.map(({ day, fileBytes, freeBytes }) => ({ x: day, y: fileBytes - freeBytes })));
const keys = fitSlope(steady.map((day) => ({ x: day.day, y: day.keys })));
console.log(`${days.length} days in ${((performance.now() - fromMs) / 1000).toFixed(0)} s. From day ${steadyFrom} on:`);
console.log(`  the file holds ${used.perX.toFixed(0)} ± ${used.margin.toFixed(0)} bytes more a day (95 %), and ${keys.perX.toFixed(1)} keys more: ${(used.perX / keys.perX).toFixed(0)} bytes for each`);
if (used.perX > keys.perX * bytesPerKeyMax) process.exitCode = 1;
