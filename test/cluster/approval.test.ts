import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { until } from "../../src/base/fixture/until.ts";
import { systemRandom } from "../../src/base/random.ts";
import { listApprovals, runApprove } from "../../src/cli/command/approve.ts";
import type { CommandContext } from "../../src/cli/command-context.ts";
import { createOutput } from "../../src/cli/output.ts";
import { runLonghaul } from "../docs/team-process.ts";
import { clusterPlace, openClusterTeam } from "../fixture/cluster-team.ts";
import definition from "./fixture/approval-team.ts";
import doubtful from "./fixture/doubtful-team.ts";

test("on a cluster a question outlives a worker that is killed, is answered by a command beside the workers, once, and runs out", { timeout: 90_000 }, async () => {
  const place = await clusterPlace();
  const folder = mkdtempSync(join(tmpdir(), "longhaul-cluster-approval-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const { ingress, admin } = place.restate;
  const worker = runLonghaul([
    "start", join(import.meta.dirname, "fixture", "approval-team.ts"), "--json", "--data", folder, "--port", "0", "--store", place.store, "--restate-ingress", ingress, "--restate-admin", admin,
    "--listen", `${place.listen.host}:${place.listen.port}`,
  ]);
  onTestFinished(async () => {
    worker.signal("SIGKILL");
    await worker.ended;
  });
  await worker.said('"event":"started"');
  const file = join(folder, "payments");
  const { url } = JSON.parse(await worker.said('"event":"started"')) as { readonly url: string };
  const headers = { authorization: `Bearer ${readFileSync(join(folder, "token"), "utf8").trim()}`, "content-type": "application/json" };
  const submitted = await fetch(`${url}/api/v1/tasks`, { method: "POST", headers, body: JSON.stringify({ agent: "clerk", input: { file, isShort: false } }) });
  const { taskId } = (await submitted.json()) as { readonly taskId: string };
  await worker.said("waiting(human)");
  worker.signal("SIGKILL");
  await worker.ended;

  let said = "";
  const stream = { write: (part: string) => (said += part) };
  const context: CommandContext = { output: createOutput({ stdout: stream, stderr: stream, isJson: false, hasColors: false }), data: "nothing", store: place.store, clock: systemClock, random: systemRandom, environment: () => undefined };
  await listApprovals(context);
  const [, runId = ""] = /longhaul approve (r_\w+) --allow --call c1/.exec(said) ?? [];
  expect(said).toContain("clerk wants to call pay");
  expect(said).toContain('arguments: {"amount":5}');
  await runApprove(context, runId, "allow", { call: "c1", by: "ada" });
  await expect(runApprove(context, runId, "deny", {})).rejects.toMatchObject({ code: "TASK_STATE", message: expect.stringContaining("answered before: allow, by ada over cli") as string });
  expect(existsSync(file), "nobody is there to make the call").toBe(false);

  const { live } = await openClusterTeam(definition, place);
  onTestFinished(() => live.close());
  await live.start();
  expect(await live.operations.result(taskId)).toMatchObject({ status: "done", output: "paid 5" });
  const { taskId: late } = await live.operations.submit({ agent: "clerk", input: { file, isShort: true }, source: "test" });
  expect(await live.operations.result(late)).toMatchObject({ output: expect.stringContaining("nobody gave it within 1.0 s") as string });
  expect(readFileSync(file, "utf8")).toBe("5\n");
});

test("on a cluster the time of a call that may have happened is that of the call, told by the store to whoever goes on", { timeout: 90_000 }, async () => {
  const place = await clusterPlace();
  const folder = mkdtempSync(join(tmpdir(), "longhaul-cluster-doubt-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const { ingress, admin } = place.restate;
  const worker = runLonghaul([
    "start", join(import.meta.dirname, "fixture", "doubtful-team.ts"), "--json", "--no-supervisor", "--data", folder, "--port", "0", "--store", place.store, "--restate-ingress", ingress, "--restate-admin", admin,
    "--listen", `${place.listen.host}:${place.listen.port}`,
  ]);
  onTestFinished(async () => {
    worker.signal("SIGKILL");
    await worker.ended;
  });
  const { url } = JSON.parse(await worker.said('"event":"started"')) as { readonly url: string };
  const headers = { authorization: `Bearer ${readFileSync(join(folder, "token"), "utf8").trim()}`, "content-type": "application/json" };
  const marker = join(folder, "marker");
  const submittedAtMs = systemClock.now();
  await fetch(`${url}/api/v1/tasks`, { method: "POST", headers, body: JSON.stringify({ agent: "clerk", input: { marker } }) });
  await worker.ended;
  const calledAtMs = statSync(marker).mtimeMs;
  await sleep(systemClock, 3_000);

  const { live } = await openClusterTeam(doubtful, place);
  onTestFinished(() => live.close());
  await live.start();

  await until("the call is asked about", async () => (await live.operations.questions()).length > 0);
  const [question] = await live.operations.questions();
  expect(question).toMatchObject({ kind: "unknown-effect", tool: "pay" });
  expect(Date.parse(question?.calledAt ?? "")).toBeGreaterThanOrEqual(submittedAtMs);
  // File systems tell the time of a change by a clock that ticks some hundred times a second.
  expect(Date.parse(question?.calledAt ?? "")).toBeLessThan(calledAtMs + 100);
  expect(Date.parse(question?.askedAt ?? "") - calledAtMs).toBeGreaterThan(2_900);
});
