import { expect, it } from "vitest";
import { oldNodeMessage } from "../bin/old-node.js";

it("has nothing to say to a Node that is new enough", () => {
  expect(oldNodeMessage("24.0.0", "linux", "x64")).toBeNull();
  expect(oldNodeMessage("100.1.0", "darwin", "arm64")).toBeNull();
});

it.each([
  ["20.20.2", "linux", "x64", "npm install --save-dev node@24.21.0 && npx longhaul"],
  ["23.11.1", "linux", "arm64", "npm install --save-dev node@24.21.0 && npx longhaul"],
  ["22.0.0", "win32", "x64", "npm install --save-dev node@24.21.0 && npx longhaul"],
  ["9.11.2", "darwin", "x64", "npm install --save-dev node@24.18.1 && npx longhaul"],
  ["20.20.2", "darwin", "arm64", "brew install node@24"],
  ["20.20.2", "linux", "riscv64", "nvm install 24"],
])("tells Node %s on %s-%s in one line what to type", (version, platform, arch, command) => {
  const message = oldNodeMessage(version, platform, arch);

  expect(message).toContain(`longhaul needs Node 24 or newer; this is ${version}. Type: `);
  expect(message).toContain(command);
  expect(message).not.toContain("\n");
});
