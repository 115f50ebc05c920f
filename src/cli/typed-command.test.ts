import { resolve } from "node:path";
import { expect, it } from "vitest";
import { placeFlags } from "./typed-command.ts";

const flags = (data: string, environment: Readonly<Record<string, string>> = {}, store: string | null = null): string => placeFlags({ data, store, environment: (name) => environment[name] });

it("repeats where a command was told to look, unless the next one looks there by itself", () => {
  expect(flags(".longhaul")).toBe("");
  expect(flags(resolve(".longhaul"))).toBe("");
  expect(flags("../r 1")).toBe(" --data '../r 1'");
  expect(flags("/srv/a", { LONGHAUL_DATA: "/srv/a" })).toBe("");
  expect(flags(".longhaul", { LONGHAUL_DATA: "/srv/a" })).toBe(" --data .longhaul");
});

it("repeats no password", () => {
  expect(flags(".longhaul", {}, "postgres://u:secret@h/d")).toBe(" --store <url>");
  expect(flags(".longhaul", { LONGHAUL_STORE: "postgres://u:secret@h/d" }, "postgres://u:secret@h/d")).toBe("");
});
