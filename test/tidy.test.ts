import { describe, expect, it } from "vitest";
import type { LockPackages } from "../scripts/complete-lock.ts";
import { findLockGaps } from "../scripts/complete-lock.ts";
import { findAmbientReads } from "./tidy/ambient.ts";
import { findCycles, listEdges } from "./tidy/import-graph.ts";
import { findLayerProblems, findUndeclaredPackages } from "./tidy/layers.ts";
import { findBadNames, findBannedCode, findBannedTexts } from "./tidy/manners.ts";
import type { Manifest } from "./tidy/references.ts";
import { doorPagePath, errorPagePath, findDoorProblems, findErrorProblems, findPinnedHosts, listDoors } from "./tidy/references.ts";
import { findLongCode } from "./tidy/sizes.ts";
import { parseSources } from "./tidy/source.ts";
import { isHouseCode, readTree } from "./tidy/tree.ts";

const tree = readTree();
const sources = parseSources(tree.filter(isHouseCode));
const manifest = JSON.parse(textOf("package.json")) as Manifest;
const doors = listDoors(manifest);
const edges = listEdges(sources, doors);

function textOf(path: string): string {
  return tree.find((file) => file.path === path)?.text ?? "";
}

describe("the tree", () => {
  it("has imports that go down the table of layers", () => {
    expect(findLayerProblems(edges)).toEqual([]);
  });

  it("has no cycles", () => {
    expect(findCycles(edges)).toEqual([]);
  });

  it("publishes code that imports declared dependencies only", () => {
    expect(findUndeclaredPackages(edges, Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }))).toEqual([]);
  });

  it("has short files and short functions", () => {
    expect(findLongCode(sources)).toEqual([]);
  });

  it("reads time, chance, timers and environment in base only", () => {
    expect(findAmbientReads(sources)).toEqual([]);
  });

  it("keeps its manners", () => {
    expect(findBannedCode(sources)).toEqual([]);
  });

  it("names files and folders after concepts", () => {
    expect(findBadNames(sources, Object.values(doors))).toEqual([]);
  });

  it("has no unfinished notes and names no machine, host or tool", () => {
    expect(findBannedTexts(tree)).toEqual([]);
  });

  it("has a lock file that installs from any registry", () => {
    expect(findPinnedHosts({ path: "package-lock.json", text: textOf("package-lock.json") })).toEqual([]);
  });

  it("has a lock file that is complete on every platform", () => {
    const { packages } = JSON.parse(textOf("package-lock.json")) as { readonly packages: LockPackages };

    expect(findLockGaps(packages)).toEqual([]);
  });

  it("documents every error code, and uses every one", () => {
    expect(findErrorProblems(sources, textOf(errorPagePath))).toEqual([]);
  });

  it("has doors that lead somewhere and are documented name by name", () => {
    expect(findDoorProblems(manifest, sources, textOf(doorPagePath))).toEqual([]);
  });
});
