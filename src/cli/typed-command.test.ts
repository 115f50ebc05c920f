import { resolve } from "node:path";
import { expect, it } from "vitest";
import { placeCommands, placeOf } from "./typed-command.ts";

const place = (data: string, environment: Readonly<Record<string, string>> = {}, store: string | null = null): string => placeOf({ data, store, environment: (name) => environment[name] });

it("repeats where a command was told to look, unless the next one looks there by itself", () => {
  expect(place(".longhaul")).toBe("");
  expect(place(resolve(".longhaul"))).toBe("");
  expect(place("../r 1")).toBe("--data '../r 1'");
  expect(place("/srv/a", { LONGHAUL_DATA: "/srv/a" })).toBe("");
  expect(place(".longhaul", { LONGHAUL_DATA: "/srv/a" })).toBe("--data .longhaul");
});

it.each([
  ["postgres://h:5432/d", "--store postgres://h:5432/d"],
  ["postgres://u@h/d?sslmode=require", "--store 'postgres://u@h/d?sslmode=require'"],
  ["postgres://u:secret@h/d", "--store 'postgres://u:<password>@h/d'"],
  ["postgres://u:sec@ret@h/d", "--store 'postgres://u:<password>@h/d'"],
  ["postgres://h/d?user=u&password=secret", "--store 'postgres://h/d?user=u&password=<password>'"],
  ["postgres://u:s/ecret@h/d", "--store '<url>'"],
  ["postgres://u:1/secret@h/d", "--store '<url>'"],
  ["postgres://u:1#secret@h/d", "--store '<url>'"],
  ["postgres://u:1?secret@h/d", "--store '<url>'"],
  ["postgres://u:1?pass=secret@h/d", "--store '<url>'"],
])("repeats no password: of %s", (store, said) => {
  expect(place(".longhaul", {}, store)).toBe(said);
  expect(place(".longhaul", {}, store)).not.toMatch(/sec|ret/);
  expect(place(".longhaul", { LONGHAUL_STORE: store }, store)).toBe("");
});

it("stands in each command of a text, and in nothing else", () => {
  const text = "longhaul ps, then `longhaul show t_1 --step 2`: longhaul itself, longhaul init, longhauls show and longhaul psx are not meant.";

  expect(placeCommands(text, "--data '$& 1'")).toBe("longhaul --data '$& 1' ps, then `longhaul --data '$& 1' show t_1 --step 2`: longhaul itself, longhaul init, longhauls show and longhaul psx are not meant.");
  expect(placeCommands(text, "")).toBe(text);
});
