import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import { computeOwnDependency } from "./own-dependency.ts";

const project = resolve("shop");
const given = { version: "0.1.0", project, target: join(project, "teams", "my-team") };

it("asks the registry for this version, where it came from there", () => {
  for (const installedAs of [undefined, "^0.1.0", "0.1.0", "latest", "~0.1", ">=0.1"]) expect(computeOwnDependency({ ...given, installedAs })).toBe("^0.1.0");
});

it("points to the file that it was installed from, as seen from the new project", () => {
  expect(computeOwnDependency({ ...given, installedAs: "file:../packs/longhaul-0.1.0.tgz" })).toBe("file:../../../packs/longhaul-0.1.0.tgz");
  expect(computeOwnDependency({ ...given, installedAs: "file:longhaul.tgz", target: project })).toBe("file:longhaul.tgz");
});

it("keeps an address", () => {
  expect(computeOwnDependency({ ...given, installedAs: "git+https://host.example/longhaul.git#main" })).toBe("git+https://host.example/longhaul.git#main");
});
