import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { root, startLonghaul, temporaryFolder } from "./fixture/longhaul.ts";

const code = (greeting: string): string => `
import { defineAgent, defineTeam } from ${JSON.stringify(join(root, "src", "index.ts"))};
console.log(${JSON.stringify(greeting)});
export const team = defineTeam({ name: "reloading", agents: [defineAgent({ name: "idle", run: async () => null })] });
`;

it("begins anew when the code changes, and after an error waits for the next change", async () => {
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  const file = join(folder.path, "team.mts");
  writeFileSync(file, code("first"));
  const dev = startLonghaul(["dev", file, "--plain", "--port", "0", "--drain", "1s", "--data", join(folder.path, "data")], { environment: { LONGHAUL_STORE: "postgres://db/another" } });
  onTestFinished(() => void dev.child.kill("SIGKILL"));
  const begun = async (count: number): Promise<void> => {
    await dev.line(() => dev.lines.filter((line) => line.startsWith("reloading: idle")).length === count);
  };
  await begun(1);
  expect(dev.lines).toContain("first");

  writeFileSync(file, code("second"));
  await dev.line((line) => line === "team.mts changed: begins again.");
  await begun(2);
  expect(dev.lines).toContain("second");

  writeFileSync(file, "export const team = 1 +;");
  await dev.line((line) => line.includes("TEAM_NOT_LOADED"));
  await dev.line((line) => line.startsWith("The team ended with 1."));

  writeFileSync(file, "await new Promise(() => {});");
  await dev.line((line) => line.includes("never finishes loading"));
  await dev.line(() => dev.lines.filter((line) => line.startsWith("The team ended with 1.")).length === 2);

  writeFileSync(file, code("third"));
  await begun(3);
  dev.child.kill("SIGTERM");

  expect(await dev.ended).toBe(0);
  expect(dev.lines).toContain("third");
  expect(dev.lines.filter((line) => line.startsWith("Stopped."))).toHaveLength(3);
});
