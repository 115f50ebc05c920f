import { expect, it } from "vitest";
import { computePackage } from "./package-plan.ts";

const template = { name: "my-team", private: true, type: "module", scripts: { start: "longhaul start team.ts" }, dependencies: {} };
const options = { name: "watch", dependencies: { longhaul: "^0.1.0", zod: "^4.6.7" }, nodeVersion: null };

it("makes a new package.json from the template", () => {
  expect(computePackage(template, null, options)).toEqual({
    content: { name: "watch", private: true, type: "module", scripts: { start: "longhaul start team.ts" }, dependencies: { longhaul: "^0.1.0", zod: "^4.6.7" } },
    added: [],
  });
});

it("brings a Node along where the machine's own is too old", () => {
  expect(computePackage(template, null, { ...options, nodeVersion: "24.21.0" }).content["devDependencies"]).toEqual({ node: "24.21.0" });
});

it("completes what npm made in an empty folder and keeps all that it says", () => {
  const existing = { dependencies: { longhaul: "file:longhaul-0.1.0.tgz" }, devDependencies: { node: "^24.21.0" } };

  expect(computePackage(template, existing, { ...options, nodeVersion: "24.21.0" })).toEqual({
    content: {
      type: "module",
      scripts: { start: "longhaul start team.ts" },
      dependencies: { longhaul: "file:longhaul-0.1.0.tgz", zod: "^4.6.7" },
      devDependencies: { node: "^24.21.0" },
    },
    added: ["type", "scripts.start", "dependencies.zod"],
  });
});

it("does not change what the code of an existing project means, nor its scripts", () => {
  const existing = { name: "shop", main: "index.js", scripts: { start: "node index.js" }, dependencies: { longhaul: "1", zod: "3" } };

  expect(computePackage(template, existing, options)).toEqual({ content: existing, added: [] });
});
