import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "longhaul/client";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openOperatorView } from "../../src/runtime/operator-view.ts";
import { longhaul, type RunningProcess, startTeam, temporaryFolder } from "./fixture/longhaul.ts";

const folder = temporaryFolder();
const key = "only-once";
let team: RunningProcess;

beforeAll(async () => {
  team = await startTeam(folder.path, "--port", "0");
});
afterAll(async () => {
  team.child.kill("SIGKILL");
  await team.ended;
  folder.remove();
});

interface Started {
  readonly taskId: string;
  readonly created: boolean;
}

function byHttp(): () => Promise<Started> {
  const { url } = JSON.parse(readFileSync(join(folder.path, "endpoint.json"), "utf8")) as { readonly url: string };
  const token = readFileSync(join(folder.path, "token"), "utf8").trim();
  return async () => {
    const response = await fetch(`${url}/api/v1/tasks`, { method: "POST", headers: { authorization: `Bearer ${token}` }, body: JSON.stringify({ agent: "echo", input: { text: "http" }, key }) });
    return (await response.json()) as Started;
  };
}

it("a task that is submitted 50 times at once with one key, by library, command line and HTTP, runs once", async () => {
  const client = createClient({ dataDirectory: folder.path });
  const post = byHttp();
  const processes = Array.from({ length: 8 }, async () => JSON.parse((await longhaul(["task", "echo", '{"text":"cli"}', "--key", key, "--json", "--data", folder.path])).stdout) as Started);
  const requests = Array.from({ length: 42 }, (_, index) => (index % 2 === 0 ? post() : client.submit("echo", { text: "library" }, { key })));

  const answers = await Promise.all([...processes, ...requests]);

  expect(answers).toHaveLength(50);
  expect(new Set(answers.map(({ taskId }) => taskId)).size).toBe(1);
  expect(answers.filter(({ created }) => created)).toHaveLength(1);
  expect(await client.result(answers[0]?.taskId ?? "")).toMatchObject({ status: "done", key });
  const view = openOperatorView(folder.path);
  const [tasks, records] = await Promise.all([view.tasks({}), view.store.records.query({ agent: "echo", eventTypes: ["task"] })]);
  await view.close();
  expect(tasks).toHaveLength(1);
  expect(records.map(({ record }) => record.result)).toEqual(["queued", "running", "done(unverified)"]);
});
