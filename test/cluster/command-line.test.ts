import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { freePort } from "../../src/engine/restate/fixture/restate-server.ts";
import type { ClusterPlace } from "../../src/runtime/cluster-place.ts";
import { type RunningProgram, runLonghaul } from "../docs/team-process.ts";
import { clusterPlace } from "../fixture/cluster-team.ts";
import { type Balancer, createBalancer } from "./fixture/balancer.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const teamFile = join(import.meta.dirname, "fixture", "command-line-team.ts");
const folder = mkdtempSync(join(tmpdir(), "longhaul-cluster-cli-"));
const running = new Set<RunningProgram>();
let place: ClusterPlace;
let ports: readonly number[];
/** What Restate calls: whichever worker is there. */
let balancer: Balancer;
beforeAll(async () => {
  place = await clusterPlace();
  ports = [await freePort(), await freePort()];
  balancer = await createBalancer({ targets: ports, health: "speaks" });
});
afterAll(async () => {
  for (const program of running) program.signal("SIGKILL");
  await Promise.all([...running].map(({ ended }) => ended));
  await balancer.close();
  rmSync(folder, { recursive: true, force: true });
});

/** `longhaul start` with these flags, as a worker at one of the ports behind the balancer. All workers share a data directory. */
async function startWorker(at: 0 | 1): Promise<RunningProgram> {
  const { ingress, admin } = place.restate;
  const worker = runLonghaul(["start", teamFile, "--json", "--data", folder, "--port", "0", "--store", place.store, "--restate-ingress", ingress, "--restate-admin", admin, "--listen", `127.0.0.1:${ports[at]}`, "--advertise", `http://127.0.0.1:${balancer.port}`]);
  running.add(worker);
  await worker.said('"event":"started"');
  return worker;
}

async function stop(worker: RunningProgram): Promise<void> {
  worker.signal("SIGTERM");
  expect(await worker.ended).toBe(0);
  running.delete(worker);
}

async function submit(worker: RunningProgram, agent: string): Promise<unknown> {
  const { url } = JSON.parse(await worker.said('"event":"started"')) as { readonly url: string };
  const headers = { authorization: `Bearer ${readFileSync(join(folder, "token"), "utf8").trim()}`, "content-type": "application/json" };
  const submitted = await fetch(`${url}/api/v1/tasks`, { method: "POST", headers, body: JSON.stringify({ agent, input: 40 }) });
  const { taskId } = (await submitted.json()) as { readonly taskId: string };
  return await (await fetch(`${url}/api/v1/tasks/${taskId}?wait=20s`, { headers })).json();
}

test("workers start on a cluster by flags, work, drain and leave, and the next one finds what they did", async () => {
  const first = await startWorker(0);
  expect(JSON.parse(await first.said('"event":"started"'))).toMatchObject({ store: `PostgreSQL at ${new URL(place.store).host}${new URL(place.store).pathname}` });
  expect(await submit(first, "twice")).toMatchObject({ status: "done", output: 42 });
  await stop(first);

  const second = await startWorker(1);

  expect(await submit(second, "twice")).toMatchObject({ status: "done", output: 42 });
  await stop(second);
});

test("a worker whose address to listen on is taken says so, and gives nothing else up", async () => {
  const first = await startWorker(0);

  await expect(startWorker(0)).rejects.toThrow(`listen is 127.0.0.1:${ports[0]}, which cannot be used`);

  expect(await submit(first, "twice")).toMatchObject({ status: "done" });
  await stop(first);
});
