import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import type { ClusterPlace } from "../../src/runtime/cluster-place.ts";
import { type RunningProgram, runFile, runLonghaul } from "../docs/team-process.ts";
import { clusterPlace } from "../fixture/cluster-team.ts";

vi.setConfig({ testTimeout: 240_000 });

const teamFile = join(import.meta.dirname, "..", "e2e", "fixture", "deadly-team.ts");
const folder = mkdtempSync(join(tmpdir(), "longhaul-cluster-memory-"));
let place: ClusterPlace;
let team: RunningProgram;
beforeAll(async () => {
  place = await clusterPlace();
  const { ingress, admin } = place.restate;
  const flags = ["--store", place.store, "--restate-ingress", ingress, "--restate-admin", admin, "--listen", `127.0.0.1:${place.listen.port}`];
  // The supervisor starts the next one.
  team = runFile("src/cli/longhaul.ts", ["start", teamFile, "--json", "--data", folder, "--port", "0", ...flags], { NODE_OPTIONS: "--max-old-space-size=160" });
  await team.said('"event":"started"');
});
afterAll(async () => {
  team.signal("SIGTERM");
  await team.ended;
  rmSync(folder, { recursive: true, force: true });
});

async function longhaul(...args: readonly string[]): Promise<readonly string[]> {
  const program = runLonghaul(args, { LONGHAUL_STORE: place.store, LONGHAUL_DATA: join(folder, "nothing") });
  await program.ended;
  return program.lines;
}

/** What `longhaul show` says of it, when that says this. */
async function shown(id: string, what: string): Promise<string> {
  for (let time = 0; ; time++) {
    const text = (await longhaul("show", id)).join("\n");
    if (text.includes(what) || time === 60) return text;
    await sleep(systemClock, 500);
  }
}

test("E12 a task that exhausts the memory of the one worker is shown with the crashes that are left to it, and is dead after the third; no report is left", async () => {
  const [answer] = await longhaul("task", "worker", JSON.stringify({ kind: "hungry", log: join(folder, "world.log") }), "--json");
  const { taskId } = JSON.parse(answer ?? "{}") as { readonly taskId: string };

  expect(await shown(taskId, "without progress")).toMatch(/it was executing when its process died: crash [12] of at most 10 without progress, and [12] of at most 100 in all/);
  const dead = await shown(taskId, "recovery-limit: Task");

  expect(dead).toContain("In 3 of them the process ran out of memory.");
  expect(dead).toContain("it was executing in 3 crashes of its process");
  await expect.poll(() => readdirSync(folder).filter((name) => name.includes("fatal-report")), { timeout: 10_000 }).toEqual([]);
});
