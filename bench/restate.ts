import { parseArgs } from "node:util";
import { compare, type Finding, parts, type Sizes } from "./restate/compare.ts";
import { openPlace } from "./restate/place.ts";

// The engine on Restate beside Restate's bare SDK that executes as many steps that do nothing, on the same servers in the same run, in turns: `npm run bench:restate`.
// `--only long` measures that part alone, of single, long, short, kept and guards; it may be given more than once.
// `--strict` ends with 1 when a target is missed. `--no-fsync` takes the disk out of it: PostgreSQL does not wait for it, Restate still does.
const { values } = parseArgs({
  allowNegative: true,
  options: {
    rounds: { type: "string", default: "5" }, fsync: { type: "boolean", default: true }, tiny: { type: "boolean", default: false },
    only: { type: "string", multiple: true, default: [...parts] }, strict: { type: "boolean", default: false }, json: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds);
const sizes: Sizes = values.tiny ? { rounds, stepsLong: 5, runsLong: 3, stepsShort: 2, runsShort: 3 } : { rounds, stepsLong: 200, runsLong: 50, stepsShort: 10, runsShort: 200 };
const only = values.only.map((name) => {
  const part = parts.find((each) => each === name);
  if (part === undefined) throw new Error(`--only is ${name}. Use one of: ${parts.join(", ")}.`);
  return part;
});
const place = await openPlace({ fsync: values.fsync });
try {
  const findings = await compare(place, sizes, only);
  if (values.json) console.log(JSON.stringify(findings));
  else print(findings);
  if (values.strict && findings.some(({ isMet }) => isMet === false)) process.exitCode = 1;
} finally {
  await place.close();
}

function print(findings: readonly Finding[]): void {
  console.log(`PostgreSQL ${values.fsync ? "with" : "without"} fsync; ${rounds} rounds; medians.`);
  const short = (figure: number): number | string => (Number.isNaN(figure) ? "" : Number(figure.toPrecision(3)));
  console.table(findings.map(({ what, unit, ours, limit, ratio, target, isMet }) => ({ what, unit, ours: short(ours), limit: short(limit), ratio: short(ratio), target, met: isMet === null ? "" : isMet })));
}
