import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defineAgent, defineTeam, defineTool, mcp, secret, usd, webhook } from "longhaul";
import { scriptedModel } from "longhaul/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { createSecrets } from "../../src/runtime/secrets.ts";
import { openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

let directory: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory.remove());

test("a secret comes from the environment or from a file, and a missing one is named with its remedy", () => {
  const file = join(directory.path, "mounted");
  writeFileSync(file, "from-a-file\n");
  const secrets = createSecrets((name) => ({ CRM_KEY: "from-the-environment" })[name]);

  expect(secrets.value(secret("CRM_KEY"))).toBe("from-the-environment");
  expect(secrets.value(secret("MOUNTED", { file }))).toBe("from-a-file");
  expect(secrets.value("no secret at all")).toBe("no secret at all");
  expect(() => secrets.value(secret("OTHER_KEY"))).toThrow(/secret\("OTHER_KEY"\) is not set. Set the environment variable OTHER_KEY./);
  expect(() => secrets.value(secret("GONE", { file: `${file}-gone` }))).toThrow(/cannot be read. Mount it/);
});

test("a secret is recognised in a text, in JSON, in a URL, and as part of a longer secret", () => {
  const environment: Readonly<Record<string, string>> = { SHORT: "hunter2!", LONG: "hunter2!-and-more", PEM: "-----BEGIN-----\nabc\n", SLASHED: "a/b+c d==", TINY: "abc" };
  const secrets = createSecrets((name) => environment[name]);
  for (const name of Object.keys(environment)) secrets.variable(name);

  expect(secrets.redact({ "hunter2!": ["x hunter2!-and-more y"], pem: JSON.stringify({ key: environment["PEM"] }), url: `?key=${encodeURIComponent("a/b+c d==")}`, tiny: "abc" })).toEqual({
    "[secret SHORT]": ["x [secret LONG] y"], pem: '{"key":"[secret PEM]"}', url: "?key=[secret SLASHED]", tiny: "abc",
  });
});

const value = "tr0ub4dor-and-3-horses";

/** An agent whose tool returns the secret, throws it and is called with it, and whose prompt and answer hold it. */
function leakyTeam(evidence: string) {
  const leak = defineTool({ name: "leak", description: "Leaks", inputSchema: z.object({ with: z.string() }), effect: "once", execute: () => ({ headers: { authorization: value }, text: `key=${value}` }) });
  const fail = defineTool({ name: "fail", description: "Fails", inputSchema: z.object({}), effect: "read", execute: () => { throw new Error(`401 for ${value}`); } });
  const agent = defineAgent({ name: "leaky", model: "anthropic/test", instructions: `Your key is ${value}.`, tools: [leak, fail], verify: ({ accept }) => accept({ checkedWith: evidence }) });
  return defineTeam({ name: "t", agents: [agent], notify: [webhook({ url: "http://127.0.0.1:9/hook", headers: { authorization: secret("HOOK_KEY") } })] });
}

test("the value of a secret is in no record, no transcript, no notification and no result that a model gets", async () => {
  const model = scriptedModel([
    { toolCalls: [{ toolName: "leak", input: { with: value } }, { toolName: "fail", input: {} }], text: `I use ${value}` },
    `The key is ${value}`,
  ]);
  const team = await openDiskTeam(leakyTeam(value), { directory: directory.path, model, environment: { HOOK_KEY: value } });
  const end = await team.result(await team.submit("leaky", null));

  expect(end, "what the application gets is what the model said").toMatchObject({ status: "done", output: `The key is ${value}` });
  const records = await team.records();
  expect(records.map(({ event_type }) => event_type)).toEqual(expect.arrayContaining(["start", "task", "model_call", "tool_call", "verify"]));
  expect(JSON.stringify(records)).not.toContain(value);
  expect(JSON.stringify(records)).toContain("[secret HOOK_KEY]");
  const heads = records.flatMap(({ data }) => (typeof data["transcript"] === "string" ? [data["transcript"]] : []));
  const transcripts = await Promise.all(heads.map((head) => team.live.messages.transcript(head)));
  expect(JSON.stringify(transcripts)).not.toContain(value);
  expect(model.calls[1]?.messages.at(-1), "nor in what a tool returned").toMatchObject({
    role: "tool",
    results: [{ value: { headers: { authorization: "[secret HOOK_KEY]" }, text: "key=[secret HOOK_KEY]" } }, { value: "Tool fail failed: 401 for [secret HOOK_KEY]" }],
  });
  await team.close();
});

test("on the disk the value stands nowhere unless durable code or the model itself returned it", async () => {
  const model = scriptedModel([{ toolCalls: [{ toolName: "leak", input: { with: "nothing" } }, { toolName: "fail", input: {} }] }, "done"]);
  const team = await openDiskTeam(leakyTeam("nothing"), { directory: directory.path, model, environment: { HOOK_KEY: value } });
  await team.result(await team.submit("leaky", null));
  await team.close();

  const files = readdirSync(directory.path).map((name) => join(directory.path, name));
  expect(files.filter((file) => readFileSync(file, "latin1").includes(value))).toEqual([]);
  expect(files.map((file) => (statSync(file).mode & 0o777).toString(8))).toEqual(files.map(() => "600"));
});

test("a missing secret of an MCP server is found when the team is opened, not when a model first needs it", async () => {
  const agent = defineAgent({ name: "reader", model: "anthropic/test", instructions: "Read.", tools: [mcp({ name: "files", url: "http://127.0.0.1:9/mcp", headers: { authorization: secret("MCP_KEY") } })] });

  await expect(openDiskTeam(defineTeam({ name: "t", agents: [agent] }), { directory: directory.path })).rejects.toMatchObject({ code: "SECRET_MISSING" });
  expect(readdirSync(directory.path)).toEqual([]);
});

test("a model whose key is missing is told at the start, and one whose address is none refuses it, before anything is opened", async () => {
  const agents = (["anthropic/claude-haiku-4-5", "openai/gpt-5"] as const).map((model, index) => defineAgent({ name: `writer${index}`, model, instructions: "Write.", budget: { perTask: usd(1), perDay: usd(1) }, verify: ({ accept }) => accept({}) }));
  const team = defineTeam({ name: "t", agents });
  const open = (environment: Readonly<Record<string, string>>) => openDiskTeam(team, { directory: directory.path, environment });

  await expect(open({ ANTHROPIC_API_KEY: "k", OPENAI_API_KEY: "k", ANTHROPIC_BASE_URL: "http://u:p@127.0.0.1:9/v1" })).rejects.toMatchObject({ code: "OPTION_INVALID" });
  expect(readdirSync(directory.path)).toEqual([]);
  const half = await open({ OPENAI_API_KEY: "k" });
  expect(half.live.missing).toEqual([expect.stringMatching(/^The model anthropic\/claude-haiku-4-5 cannot be asked: .*ANTHROPIC_API_KEY/)]);
  await half.close();
});
