import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { familyLines, type Lines, ratioText, seedLines, summaryLines, toMarkdown, toText } from "../test/ablation/ablation-table.ts";
import { compare, type Comparison, downtimeRatio, findViolations, operatorMsDefault, ratioMin } from "../test/ablation/ablation.ts";
import { families } from "../test/ablation/plan.ts";
import { refuseUsage } from "./refuse-usage.ts";

/**
 * Tells the same seeded faults to a loop of the AI SDK with its defaults and to Longhaul: docs/measurements/ablation.md says what is told and measured.
 *
 *   npm run ablation -- --seeds 10             so many seeds, from 1 on, or from --from
 *   npm run ablation -- --seeds 10 --write     and writes the measured part of the page anew
 *   npm run ablation -- --seeds 3 --families   each family of faults by itself
 *   npm run ablation -- --seeds 3 --operator 8 a person helps the loop after 8 hours instead of 2
 *
 * Exits with 1 when Longhaul lost, doubled or left anything, or was down for more than a tenth of the other side's time.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "10" },
    from: { type: "string", default: "1" },
    hours: { type: "string", default: "24" },
    operator: { type: "string", default: String(operatorMsDefault / 3_600_000) },
    families: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});
const [seeds, from, hours] = [wholeNumber("seeds", values.seeds), wholeNumber("from", values.from), wholeNumber("hours", values.hours)];
const operatorHours = Number(values.operator);
if (!(operatorHours > 0)) refuseUsage(`--operator is ${values.operator}. Use hours, such as 2.`);
if (values.write && (from !== 1 || hours !== 24 || operatorHours * 3_600_000 !== operatorMsDefault)) refuseUsage("--write takes seeds from 1 on, whole days and the operator as it is by default.");
const page = join(import.meta.dirname, "../docs/measurements/ablation.md");

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) refuseUsage(`--${name} is ${text}. Use a whole number from 1 on.`);
  return value;
}

async function tellAll(only: readonly (typeof families)[number][]): Promise<readonly Comparison[]> {
  const comparisons: Comparison[] = [];
  for (let seed = from; seed < from + seeds; seed++) {
    comparisons.push(await compare({ seed, hours, only, operatorMs: operatorHours * 3_600_000 }));
    if (process.stderr.isTTY) process.stderr.write(`\r\u001B[2K${only.length === 1 ? only[0] : "all"}: ${comparisons.length}/${seeds}`);
  }
  if (process.stderr.isTTY) process.stderr.write("\r\u001B[2K");
  return comparisons;
}

/** Puts tables between the two marks of the page that have this name. */
function writePart(name: string, text: string): void {
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
  const old = readFileSync(page, "utf8");
  if (!old.includes(begin) || !old.includes(end)) throw new Error(`${page} has no marks ${begin} and ${end}.`);
  writeFileSync(page, `${old.slice(0, old.indexOf(begin) + begin.length)}\n${text}\n${old.slice(old.indexOf(end))}`);
}

function show(name: string, headline: string, tables: readonly Lines[], data: unknown): void {
  if (values.json) console.log(JSON.stringify(data, null, 2));
  else console.log([...tables.map(toText), headline].join("\n\n"));
  if (values.write) writePart(name, [...tables.map(toMarkdown), headline].join("\n\n"));
}

const today = new Date().toISOString().slice(0, 10);
if (values.families) {
  const told = [];
  for (const family of families) told.push({ family, comparisons: await tellAll([family]) });
  show("families", `${today}, ${seeds} seeds of ${hours} hours, summed; the loop of the AI SDK / Longhaul.`, [familyLines(told)], told);
} else {
  const comparisons = await tellAll(families);
  const violations = findViolations(comparisons);
  const ratio = downtimeRatio(comparisons);
  const headline = `${today}, seeds ${from} to ${from + seeds - 1} of ${hours} hours, a person helps after ${operatorHours} h: downtime ratio ${ratioText(comparisons)} (asked for: ${ratioMin}); Longhaul broke ${violations.length} promises.`;
  show("seeds", headline, [summaryLines(comparisons), seedLines(comparisons)], { ratio, violations, comparisons });
  for (const violation of violations) console.error(`✗ ${violation}`);
  if (violations.length > 0 || !(ratio >= ratioMin)) process.exitCode = 1;
}
