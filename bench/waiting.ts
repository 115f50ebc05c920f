import { parseArgs } from "node:util";
import { measureWaiting, type WaitingFigures } from "./waiting/measure.ts";

// 100,000 runs that wait for a timer or a signal, on the real engine over a file, without and with records: `npm run bench:waiting`.
// `--strict` ends with 1 when a target is missed, `--runs 2000` makes it short.
const { values } = parseArgs({ options: { runs: { type: "string", default: "100000" }, strict: { type: "boolean", default: false }, json: { type: "boolean", default: false } } });

interface Target {
  readonly most?: number;
  readonly least?: number;
}
const targetsWithout: Partial<Record<keyof WaitingFigures, Target>> = { heapBytesEach: { most: 200 }, diskBytesEach: { most: 400 }, idleCpuMsPerSecond: { most: 1 } };
const targetsWith: Partial<Record<keyof WaitingFigures, Target>> = { heapBytesEach: { most: 200 }, diskBytesEach: { most: 2_000 }, createdPerSecond: { least: 10_000 }, idleCpuMsPerSecond: { most: 1 } };

const found = {
  "engine rows only": { figures: await measureWaiting({ runs: Number(values.runs), records: false }), targets: targetsWithout },
  "with records": { figures: await measureWaiting({ runs: Number(values.runs), records: true }), targets: targetsWith },
};
if (values.json) console.log(JSON.stringify(Object.fromEntries(Object.entries(found).map(([name, { figures }]) => [name, figures]))));
else {
  for (const [name, { figures, targets }] of Object.entries(found)) {
    console.log(`${Number(values.runs).toLocaleString("en")} runs, ${name}`);
    console.table(Object.fromEntries(Object.entries(figures).map(([key, figure]: [string, number]) => [key, { figure: Number(figure.toPrecision(3)), ...targets[key as keyof WaitingFigures], met: isMet(figure, targets[key as keyof WaitingFigures]) }])));
  }
}
const missed = Object.values(found).some(({ figures, targets }) => Object.entries(figures).some(([key, figure]: [string, number]) => isMet(figure, targets[key as keyof WaitingFigures]) === false));
if (values.strict && missed) process.exitCode = 1;

function isMet(figure: number, target: Target | undefined): boolean | "" {
  return target === undefined ? "" : figure <= (target.most ?? Number.POSITIVE_INFINITY) && figure >= (target.least ?? Number.NEGATIVE_INFINITY);
}
