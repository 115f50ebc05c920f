import { mkdtempSync } from "node:fs";
import { allCases } from "./all-cases.ts";
import { nameOf } from "./case.ts";
import { runCase } from "./run-case.ts";
const only = process.argv[2] ?? "";
const begin = Date.now();
for (const c of allCases) {
  if (!nameOf(c).includes(only)) continue;
  const t = Date.now();
  try { const r = await runCase(c, { folder: mkdtempSync("/tmp/fail-"), seed: 1 });
  console.log(r.violations.length + r.surprises.length ? "XX" : "ok", r.name, "|", r.did.join(", "), "|", r.backMs, r.calls, r.spentMicroUsd, r.end, r.deliveries, [...r.violations, ...r.surprises].join(" ## "), Date.now() - t); }
  catch (e) { console.log("!!", nameOf(c), e); }
}
console.log(Date.now() - begin);
