import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { z } from "zod";
import type { Json } from "../../base/json.ts";
import { defineAgent } from "../../agent/agent-definition.ts";
import { secret } from "../../agent/secret.ts";
import { defineTeam, webhook } from "../../agent/team-definition.ts";
import { defineTool, mcp } from "../../agent/tool-definition.ts";
import { createSecrets } from "../../runtime/secrets.ts";
import { describeTeam } from "./describe-team.ts";
import { createBundleRedactor, listEnvironmentSecrets } from "./redact-bundle.ts";
import { toTar } from "./tar.ts";

const environment = { CRM_TOKEN: "planted-crm", DATABASE_URL: "postgres://ann:planted%2Fdb@db.example/crm", HOME: "folder-of-ann" };
const named = listEnvironmentSecrets(environment);
const secrets = createSecrets((name) => named.get(name));
for (const name of named.keys()) secrets.variable(name);
const redact = createBundleRedactor(secrets.redact);

it("leaves nothing of what was planted: values of the environment, passwords, tokens, headers, fields", () => {
  const shown = redact({
    reason: "CRM said no to planted-crm; the password of the database is planted/db",
    urls: ["https://bob:planted1@example.com/x", "http://example.com/?api_key=planted2&q=cats", "https://hooks.slack.com/services/T0/B0/planted3", "redis://:planted4@cache:6379"],
    tool_args: { apiKey: "planted5", nested: { password: "planted6", pin: 7_777, note: "kept" }, headers: { accept: "planted7", authorization: "Basic planted8" }, env: { A: "planted9" }, cookie: "planted10" },
    text: 'curl -H "Authorization: Bearer planted11abc" --token planted12 secret=planted13 {"password":"planted14"} sk-planted15planted',
    pem: "-----BEGIN RSA PRIVATE KEY-----\nplanted16\n-----END RSA PRIVATE KEY-----",
    tokens_used: 450,
    kept: "https://example.com and 3 tokens",
  });

  expect(JSON.stringify(shown)).not.toMatch(/planted|7777/);
  expect(shown).toMatchObject({ tokens_used: 450, kept: "https://example.com and 3 tokens", tool_args: { nested: { note: "kept" }, headers: { accept: "[redacted]" } } });
  expect(JSON.stringify(shown)).toContain("example.com");
});

const planted: Readonly<Record<string, Json>> = {
  "an object under a secret's name": { credentials: { user: "planted", pass: "planted" }, secret: { value: "planted" }, set: { session: { id: "planted" } } },
  "a list under a secret's name": { password: ["planted", 7_777], apiKeys: ["planted"], tokens: ["planted"], "set-cookie": ["sid=planted"], cookies: [{ name: "sid", value: "planted" }] },
  "other names of secrets": { pwd: "planted", smtpPass: "planted", accessKeyId: "planted", session_id: "planted", jwt: "planted", sentryDsn: "planted", cookies: "planted", api_keys: "planted", passphrases: "planted", passcode: "planted", otp: 7_777, passwordHash: "planted", secretValue: ["planted"], tokenValue: "planted", "x-api-key-header": "planted" },
  "headers and environments as lists": { headers: [{ name: "authorization", value: "planted" }, ["x-tenant", "planted"], "x-tenant: planted"], rawHeaders: ["x-tenant", "planted"], env: [{ name: "A", value: "planted" }] },
  "pairs anywhere": { fields: [{ name: "DB_PASSWORD", value: "planted" }, { key: "auth-token", values: ["planted"] }], pair: ["x-api-key", "planted"] },
  "command lines": { argv: ["run", "--password", "planted", "--api-keys", "planted", "-u", "ann:planted", "--session=planted"], line: "run --db-pass planted --cookie 'a=1; b=planted' -u ann:planted https://example.com" },
  "addresses that are the secret": {
    discord: "https://discord.com/api/webhooks/123/planted", telegram: "POST https://api.telegram.org/bot123456:planted/sendMessage failed", bare: "discord.com/api/webhooks/123/planted and api.telegram.org/bot123456:planted/send",
    query: "see https://example.com?planted or (https://example.com/a(planted), wss://example.com:8080/#planted", database: "postgres://ann:pl/planted@db.example/planted", twice: "redis://ann:p@planted@cache:6379/0", after: "https://example.com/[secret A]/planted",
  },
  "tokens by their shape": ["glpat-plantedplantedplan", "github_pat_plantedplantedplanted", "npm_plantedplantedplantedplantedplanted", "hf_plantedplantedplanted", "sk_live_plantedplantedplanted", "whsec_plantedplantedplanted", "xapp-1-planted-planted"],
  "headers in a text": "Set-Cookie: sid=planted; Path=/; n=planted\nCookie: a=planted; b=planted\nAuthorization: planted planted\nX-Auth-Key: planted",
  "data in a text": ['{"credentials":{"user":"planted","pass":"planted"},"apiKeys":["planted","planted"],"password":"two planted"}', '{\\"password\\":\\"planted\\"}', "clientSecretValue=planted access_key_id: planted", "pwd=planted;Pass: 'two planted' jwt => planted"],
};

it.each(Object.entries(planted))("leaves nothing of %s", (_, given) => {
  expect(JSON.stringify(redact(given))).not.toMatch(/planted|7777/);
});

it("leaves what is no secret: counts of tokens, switches, what lacks a value, hosts", () => {
  const kept = { usage: { inputTokens: 12, tokens: 450 }, pin: true, key: null, token: "", note: "12 tokens, tokens: 450", hosts: "http://127.0.0.1:8080 and https://[::1]:9000 and file:///srv/team.ts" };

  expect(redact(kept)).toEqual(kept);
  expect(redact("GET https://example.com/a?b answered 404, see postgres://ann:x@db.example:5432/crm")).toBe("GET https://example.com/… answered 404, see postgres://[redacted]@db.example:5432/…");
});

it("knows what an environment holds under the names of secrets, and an address that no address is", () => {
  const found = listEnvironmentSecrets({ SMTP_PASS: "a", DB_PWD: "b", SENTRY_DSN: "c", API_KEYS: "d", CHAT_WEBHOOK_URL: "e", PROXY: "http://ann:100%@proxy", PWD: "folder", OLDPWD: "folder", DESKTOP_SESSION: "gnome", COMPASS: "north" });

  expect([...found]).toEqual([["SMTP_PASS", "a"], ["DB_PWD", "b"], ["SENTRY_DSN", "c"], ["API_KEYS", "d"], ["CHAT_WEBHOOK_URL", "e"], ["PROXY password", "100%"]]);
});

it("cuts long texts and what is nested deep", () => {
  const deep = Array.from({ length: 50 }).reduce<object>((inner) => ({ inner }), {});

  expect(redact("x".repeat(5_000))).toBe(`${"x".repeat(300)}… (5000 characters)`);
  expect(JSON.stringify(redact(deep as never)).length).toBeLessThan(200);
});

it("describes a team by its options, without code, prompts, arguments, headers and the paths of addresses", () => {
  const tool = defineTool({ name: "pay", description: "Pays", inputSchema: z.object({ to: z.string() }), effect: "once", execute: () => "planted-code" });
  const servers = [mcp({ name: "web", url: "https://bob:planted@mcp.example/planted?x=planted", headers: { "x-key": secret("MCP_KEY"), other: "planted" } }), mcp({ name: "files", command: "server", args: ["--token", "planted"], env: { A: "planted" } })];
  const team = defineTeam({ name: "t", agents: [defineAgent({ name: "a", model: "anthropic/m", instructions: "planted instructions", tools: [tool, ...servers], limits: { turnsMax: 7 } })], notify: [webhook({ url: "https://hooks.example/planted" })] });

  const shown = JSON.stringify(redact(describeTeam(team)));

  expect(shown).not.toContain("planted");
  for (const kept of ['"turnsMax":7', '"effect":"once"', "https://mcp.example/…", "https://hooks.example/…", "[text of 20 characters]", '"models":["anthropic/m"]']) expect(shown).toContain(kept);
});

it("writes archives that tar reads", () => {
  const folder = mkdtempSync(join(tmpdir(), "longhaul-tar-"));
  const texts = ["", "x".repeat(512), "ä".repeat(700)];
  writeFileSync(join(folder, "a.tar"), toTar(texts.map((text, index) => ({ name: `${index}.txt`, text })), Date.UTC(2026, 10, 26)));

  expect(spawnSync("tar", ["-xf", "a.tar"], { cwd: folder, encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });

  expect(texts.map((_, index) => readFileSync(join(folder, `${index}.txt`), "utf8"))).toEqual(texts);
  rmSync(folder, { recursive: true });
});
