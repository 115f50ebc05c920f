import { cached, consoleNotifier, cron, defineAgent, defineFlow, defineTeam, defineTool, every, mcp, on, parallel, pipeline, poll, secret, usd, webhook } from "longhaul";
import { z } from "zod";

// The snippets of docs/guide/writing-agents.md and operating.md. A test holds them equal.

const summarise = defineAgent({
  name: "summarise",
  model: "anthropic/claude-haiku-4-5",
  instructions: "Summarise the text in one sentence. Quote the words that matter most.",
  input: z.object({ text: z.string() }),
  output: z.object({ summary: z.string(), quote: z.string() }),
  verify: ({ input, output, accept, reject }) =>
    output.quote !== "" && input.text.includes(output.quote) ? accept({ quote: output.quote }) : reject("quote the text word for word"),
  budget: { perTask: usd(0.05), perDay: usd(2) },
  limits: { concurrency: 4, turnsMax: 6, deadline: "1h" },
  expect: { progressWithin: "2h" },
});

const report = defineAgent({
  name: "report",
  triggers: [cron("0 8 * * 1-5", { timezone: "Europe/Berlin" })],
  run: async (ctx) => {
    const texts = await ctx.step("read the inbox", ({ signal }) => readInbox(signal), { timeout: "1m", attempts: 3 });
    const settled = await Promise.allSettled(texts.map((text) => ctx.call(summarise, { text })));
    const summaries = settled.flatMap((result) => (result.status === "fulfilled" ? [result.value.output.summary] : []));
    await ctx.note(`${summaries.length} of ${texts.length} summarised`);
    await ctx.publish("report.ready", { day: new Date(ctx.now()).toISOString().slice(0, 10), summaries });
    return { summaries };
  },
});

const archive = defineAgent({
  name: "archive",
  input: z.object({ day: z.string(), summaries: z.array(z.string()) }),
  triggers: [on("report.ready")],
  run: async (ctx, { day, summaries }) => {
    await ctx.transaction("keep the report", async (tx) => {
      await tx.run("CREATE TABLE IF NOT EXISTS report (day TEXT PRIMARY KEY, text TEXT NOT NULL)");
      await tx.run("INSERT INTO report VALUES (?, ?) ON CONFLICT (day) DO UPDATE SET text = excluded.text", day, summaries.join("\n"));
    });
    return { day };
  },
});

const ticket = z.object({ id: z.string(), text: z.string() });
const answer = defineAgent({
  name: "answer",
  input: ticket,
  triggers: [
    poll("30s", {
      poll: async (cursor, { signal }) => {
        const { tickets, next } = await listTickets(String(cursor?.["after"] ?? ""), signal);
        return { items: tickets, cursor: { after: next } };
      },
      key: ({ id }) => id,
      input: ({ id, text }) => ({ id, text }),
    }),
  ],
  run: async (ctx, { id, text }) => ({ id, ...(await ctx.call(summarise, { text })).output }),
});

const sweep = defineAgent({
  name: "sweep",
  triggers: [every("15m", { atStart: true, if: () => hasWork() })],
  run: async (ctx) => ctx.step("sweep", () => ({ swept: 3 })),
});

const refund = defineTool({
  name: "refund",
  description: "Give a customer money back",
  inputSchema: z.object({ customer: z.string(), euros: z.number() }),
  effect: "once",
  needsApproval: ({ euros }) => euros > 50,
  approvalWithin: "8h",
  execute: ({ customer, euros }, { idempotencyKey }) => payBack(customer, euros, idempotencyKey),
});

const shop = mcp({ name: "shop", url: "http://127.0.0.1:9000/mcp", effects: { find_order: "read" }, needsApproval: { cancel_order: true } });

const support = defineAgent({ name: "support", model: "anthropic/claude-haiku-4-5", instructions: "Help the customer. Refund what we got wrong.", tools: [refund, shop] });

const trip = defineFlow({
  name: "trip",
  run: async (ctx) => {
    let booking: string | null = null;
    await ctx.compensate("cancel the flight", async ({ idempotencyKey, signal }) => {
      if (booking !== null) await cancelFlight(booking, { idempotencyKey, signal });
    });
    booking = await ctx.step("book the flight", ({ idempotencyKey }) => bookFlight(idempotencyKey));
    await ctx.waitFor("room found", { timeout: "2d" });
    return { booking };
  },
});

const shout = defineAgent({ name: "shout", input: z.object({ summary: z.string() }), run: async (_ctx, { summary }) => summary.toUpperCase() });
const measure = defineAgent({ name: "measure", input: z.object({ text: z.string() }), run: async (_ctx, { text }) => text.length });

const forecast = defineAgent({
  name: "forecast",
  model: "anthropic/claude-haiku-4-5",
  instructions: "Forecast tomorrow's load from the numbers.",
  input: z.object({ loads: z.array(z.number()) }),
  output: z.object({ load: z.number() }),
  fallback: [cached({ within: "24h" }), ({ loads }) => ({ load: loads.at(-1) ?? 0 })],
});

const notify = defineTool({
  name: "notify",
  description: "Post a line to the team's channel",
  inputSchema: z.object({ line: z.string() }),
  effect: "once",
  accepts: ["unverified"],
  execute: ({ line }) => post(line),
});
const herald = defineAgent({ name: "herald", model: "anthropic/claude-haiku-4-5", instructions: "Post the line.", input: z.string(), tools: [notify] });

const chain = pipeline({ name: "chain", stages: [summarise, shout] });
const both = parallel({ name: "both", branches: { short: summarise, length: measure } });
const news = pipeline({ name: "news", stages: [summarise, shout, herald] });

export const team = defineTeam({
  name: "desk",
  agents: [summarise, report, archive, answer, sweep, support, shout, measure, herald, forecast],
  flows: [chain, both, news, trip],
  notify: [consoleNotifier(), webhook({ url: secret("SLACK_WEBHOOK_URL") })],
});

async function readInbox(signal: AbortSignal): Promise<readonly string[]> {
  signal.throwIfAborted();
  return ["The site is down.", "Thank you!"];
}

async function bookFlight(idempotencyKey: string): Promise<string> {
  return `booking-${idempotencyKey.length}`;
}

async function cancelFlight(booking: string, { signal }: { readonly idempotencyKey: string; readonly signal: AbortSignal }): Promise<void> {
  signal.throwIfAborted();
  if (booking === "") throw new Error("There is no such booking.");
}

async function listTickets(after: string, signal: AbortSignal): Promise<{ readonly tickets: readonly z.infer<typeof ticket>[]; readonly next: string }> {
  signal.throwIfAborted();
  return { tickets: after === "t-1" ? [] : [{ id: "t-1", text: "The site is down." }], next: "t-1" };
}

async function payBack(customer: string, euros: number, key: string): Promise<{ readonly refund: string }> {
  return { refund: `${key}: ${euros} to ${customer}` };
}

async function post(line: string): Promise<string> {
  return `posted ${line}`;
}

function hasWork(): boolean {
  return true;
}
