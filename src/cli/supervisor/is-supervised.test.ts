import { expect, it } from "vitest";
import { isSupervised } from "./is-supervised.ts";

it.each(["start team.ts", "--data start start team.ts", "--store postgres://x start team.ts", "--data=here --json start team.ts --port 0", "start"])("supervises: longhaul %s", (line) => {
  expect(isSupervised(line.split(" "))).toBe(true);
});

it.each(["", "dev team.ts", "task start", "--data start ps", "start team.ts --no-supervisor", "start --help", "start -h", "--help"])("does not: longhaul %s", (line) => {
  expect(isSupervised(line === "" ? [] : line.split(" "))).toBe(false);
});
