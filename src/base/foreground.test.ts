import { expect, it } from "vitest";
import { groupsFromStat } from "./foreground.ts";

it("finds the groups behind a name with spaces and brackets", () => {
  expect(groupsFromStat("4711 (a ) b) S 4700 4699 4600 34816 4698 4194560 1 2")).toEqual(["4699", "4698"]);
});
