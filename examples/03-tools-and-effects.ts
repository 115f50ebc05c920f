import { mkdtempSync, realpathSync } from "node:fs";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineAgent, defineTeam, defineTool, endpoint, mcp } from "longhaul";
import { createProviderSimulator, replyToolCall, replyToolCalls, toolResultsOf } from "longhaul/simulator";
import { z } from "zod";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "longhaul-effects-")));
const ledger = join(folder, "payments.txt");
const readLedger = () => readFile(ledger, "utf8").catch(() => "");

/** read: changes nothing. After a crash it is simply made again. */
const balance = defineTool({
  name: "balance",
  description: "How much was paid so far",
  inputSchema: z.object({}),
  effect: "read",
  timeout: "5s",
  execute: async () => ({ payments: (await readLedger()).split("\n").filter((line) => line !== "").length }),
});

/** idempotent: made twice, it leaves what it left the first time. */
const label = defineTool({
  name: "label",
  description: "Put a label on the account",
  inputSchema: z.object({ text: z.string() }),
  effect: "idempotent",
  execute: async ({ text }) => {
    await writeFile(join(folder, "label.txt"), text);
    return { text };
  },
});

/** once: its intent is on disk before the call. After a crash in the middle, `reconcile` says whether it happened; without one, a human is asked. */
const pay = defineTool({
  name: "pay",
  description: "Pay an invoice",
  inputSchema: z.object({ invoice: z.string() }),
  effect: "once",
  execute: async ({ invoice }, { idempotencyKey }) => {
    await appendFile(ledger, `${idempotencyKey} ${invoice}\n`);
    return { paid: invoice };
  },
  reconcile: async ({ invoice }, { idempotencyKey }) => ((await readLedger()).includes(idempotencyKey) ? { happened: true, value: { paid: invoice } } : { happened: false }),
});

/** The tools of an MCP server. Those without a declared effect are `once`: nothing is made again blindly. */
const files = mcp({
  name: "files",
  command: process.execPath,
  args: [fileURLToPath(import.meta.resolve("@modelcontextprotocol/server-filesystem/dist/index.js")), folder],
  allow: ["read_text_file"],
  effects: { read_text_file: "read" },
});

const simulator = createProviderSimulator({
  script: (request) => {
    const called = toolResultsOf(request);
    if (called.length === 0) return replyToolCalls([{ name: "label", input: { text: "good payer" } }, { name: "pay", input: { invoice: "INV-7" } }]);
    if (!called.some(({ name }) => name === "balance")) return replyToolCalls([{ name: "balance", input: {} }, { name: "read_text_file", input: { path: join(folder, "label.txt") } }]);
    return replyToolCall("final_answer", { payments: 1 });
  },
});

const clerk = defineAgent({
  name: "clerk",
  model: "simulated/clerk",
  instructions: "Label the account, pay the invoice, then say how many payments were made.",
  tools: [balance, label, pay, files],
  output: z.object({ payments: z.number() }),
  verify: async ({ output, accept, reject }) => {
    const paid = (await readLedger()).split("\n").length - 1;
    return output.payments === paid ? accept({ paid }) : reject(`the ledger has ${paid} payments`);
  },
});

export default defineTeam({
  name: "payments",
  agents: [clerk],
  endpoints: [endpoint({ name: "simulated", wire: "anthropic", baseUrl: "http://simulator.invalid", simulated: true, fetch: simulator.fetch })],
});
