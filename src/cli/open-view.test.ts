import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { systemClock } from "../base/clock.ts";
import { systemRandom } from "../base/random.ts";
import { withView } from "./open-view.ts";

const context = { store: null, clock: systemClock, random: systemRandom };
const folder = mkdtempSync(join(tmpdir(), "longhaul-view-"));
afterAll(() => rmSync(folder, { recursive: true }));

it("says that no team has run where there is nothing, and that the file is damaged where there is one", async () => {
  const damaged = join(folder, "damaged");
  mkdirSync(damaged);
  writeFileSync(join(damaged, "longhaul.db"), "not a database, but long enough to be looked at");

  await expect(withView({ data: join(folder, "none"), ...context }, async () => 0)).rejects.toThrow(/No team has run with the data directory/);
  await expect(withView({ data: damaged, ...context }, async () => 0)).rejects.toThrow(/longhaul\.db cannot be read as a data file of longhaul: file is not a database/);
});
