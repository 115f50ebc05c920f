import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { loadTeam } from "./load-team.ts";

const folder = mkdtempSync(join(tmpdir(), "longhaul-load-"));
afterAll(() => rmSync(folder, { recursive: true }));

const load = (path: string): Promise<unknown> => loadTeam(path, () => undefined);

function file(name: string, code: string): string {
  const path = join(folder, name);
  writeFileSync(path, code);
  return path;
}

it("takes the default export, else the one named team", async () => {
  expect(await load(file("default.mjs", "export default { name: 'a' }; export const team = 2;"))).toEqual({ name: "a" });
  expect(await load(file("named.mjs", "export const team = { name: 'b' };"))).toEqual({ name: "b" });
});

it("says where a definition was refused that does not say it itself", async () => {
  const code = "export default (() => { throw Object.assign(new Error('usd(-1) is not an amount.'), { [Symbol.for('longhaul.error')]: true, code: 'OPTION_INVALID', retry: 'never', details: {} }); })();";

  await expect(load(file("amount.mjs", code))).rejects.toMatchObject({ code: "OPTION_INVALID", message: expect.stringMatching(/^usd\(-1\) is not an amount\.\n +at .*amount\.mjs:1/) as string });
});

it("names the file that is missing, that exports no team, or that failed, with what it said", async () => {
  await expect(load(join(folder, "none.mjs"))).rejects.toThrow(/There is no file .*none\.mjs.*longhaul init/);
  await expect(load(folder)).rejects.toMatchObject({ code: "TEAM_NOT_LOADED" });
  await expect(load(file("other.mjs", "export const crew = 1;"))).rejects.toThrow(/exports crew, but no team/);
  await expect(load(file("throws.mjs", "throw new Error('no database');"))).rejects.toThrow(/throws\.mjs failed while it was imported: no database/);
});

it("says which file is there under another ending, and how a package of CommonJS takes one with imports", async () => {
  file("beside.mts", "export default { name: 'a' };");
  await expect(load(join(folder, "beside.ts"))).rejects.toThrow(/There is no file .*beside\.ts, but there is beside\.mts beside it/);

  // The test runner takes imports anywhere, so the file says what Node would.
  await expect(load(file("old.mjs", "throw new SyntaxError('Cannot use import statement outside a module');"))).rejects.toThrow('Add "type": "module" to package.json, or name the file .mts.');
});
