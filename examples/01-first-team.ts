import { defineAgent, defineTeam, endpoint, poll, usd } from "longhaul";
import { createProviderSimulator, lastUserTextOf, replyToolCall } from "longhaul/simulator";
import { z } from "zod";
// Answers by a rule, so that this runs without a key. With one, delete it and write model: "anthropic/claude-haiku-4-5".
const simulator = createProviderSimulator({ script: (request) => replyToolCall("final_answer", { urgent: true, quote: lastUserTextOf(request) }) });

const triage = defineAgent({
  name: "triage",
  model: "simulated/triage",
  instructions: "Say whether the customer's message is urgent, and quote the words that tell you so.",
  input: z.object({ message: z.string() }),
  prompt: ({ message }) => message,
  output: z.object({ urgent: z.boolean(), quote: z.string().min(1) }),
  verify: ({ input, output, accept, reject }) => (input.message.includes(output.quote) ? accept({ quote: output.quote }) : reject("quote the message word for word")),
  budget: { perTask: usd(0.01), perDay: usd(1) },
});

const inbox = defineAgent({
  name: "inbox", // plain code: one task for each message, however often it is seen
  input: z.object({ id: z.string(), message: z.string() }),
  triggers: [poll("5s", { poll: async () => ({ items: [{ id: "m-1", message: "The site is down." }] }), key: ({ id }) => id, input: (mail) => mail })],
  run: async (ctx, { id, message }) => ({ id, ...(await ctx.call(triage, { message })).output }),
});

export default defineTeam({ name: "support", agents: [inbox, triage], endpoints: [endpoint({ name: "simulated", wire: "anthropic", baseUrl: "http://simulator.invalid", simulated: true, fetch: simulator.fetch })] });
