import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { defineAgent, defineTeam, defineTool, endpoint, poll, usd } from "longhaul";
import { createProviderSimulator } from "longhaul/simulator";
import { z } from "zod";
import { simulatedWriter } from "./simulated-writer.ts";

const inbox = join(import.meta.dirname, "inbox");
const outbox = join(import.meta.dirname, "outbox");

const model = process.env["ANTHROPIC_API_KEY"] ? "anthropic/claude-haiku-4-5" : process.env["OPENAI_API_KEY"] ? "openai/gpt-5.2" : "simulated/writer";
console.log(
  model === "simulated/writer"
    ? "No ANTHROPIC_API_KEY or OPENAI_API_KEY: a simulated model answers, and what it writes says so."
    : `The writer uses ${model} and stops at $0.05 a task and $0.50 a day.`,
);

const readText = defineTool({
  name: "read_text",
  description: "Read a text from the inbox",
  inputSchema: z.object({ file: z.string() }),
  effect: "read",
  execute: async ({ file }) => {
    if (!(await readdir(inbox)).includes(file)) throw new Error(`There is no ${file} in the inbox.`);
    return readFile(join(inbox, file), "utf8");
  },
});

/** A model with a tool. Its answer is checked before it counts. */
const writer = defineAgent({
  name: "writer",
  model,
  instructions: "Read the text with read_text, then summarise it: a title, and at most three sentences in the language of the text.",
  tools: [readText],
  input: z.object({ file: z.string() }),
  output: z.object({ title: z.string(), summary: z.string() }),
  verify: ({ output, accept, reject }) => (output.summary.length > 0 ? accept({ characters: output.summary.length }) : reject("the summary is empty")),
  budget: { perTask: usd(0.05), perDay: usd(0.5) },
});

/** Plain code. Every new or changed text in the inbox starts one task, once. */
const watcher = defineAgent({
  name: "watcher",
  input: z.object({ file: z.string() }),
  triggers: [
    poll("5s", {
      poll: async () => ({ items: await Promise.all((await readdir(inbox)).filter((file) => /\.(md|txt)$/.test(file)).map(withTime)) }),
      key: ({ file, changedAtMs }) => `${file} ${changedAtMs}`,
      input: ({ file }) => ({ file }),
    }),
  ],
  run: async (ctx, { file }) => {
    const { output } = await ctx.call(writer, { file });
    const path = join(outbox, `${file}.summary.md`);
    await ctx.step("write the summary", async () => {
      await mkdir(outbox, { recursive: true });
      await writeFile(path, `# ${output.title}\n\n${output.summary}\n`);
    });
    return { path };
  },
});

async function withTime(file: string): Promise<{ readonly file: string; readonly changedAtMs: number }> {
  return { file, changedAtMs: (await stat(join(inbox, file))).mtimeMs };
}

const simulator = createProviderSimulator({ script: simulatedWriter });

export default defineTeam({
  name: "my-team",
  agents: [watcher, writer],
  endpoints: [endpoint({ name: "simulated", wire: "anthropic", baseUrl: "http://simulator.invalid", simulated: true, fetch: simulator.fetch })],
});
