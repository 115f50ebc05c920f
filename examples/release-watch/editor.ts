import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { defineAgent, mcp, type Message, usd } from "longhaul";
import { z } from "zod";
import { provider } from "./provider.ts";
import { assessment, failedAnalysis } from "./release.ts";
import { settings } from "./settings.ts";

const serverFile = join(dirname(createRequire(import.meta.url).resolve("@modelcontextprotocol/server-filesystem/package.json")), "dist", "index.js");

/** The official file server, allowed into the digest directory only. */
const files = mcp({
  name: "files",
  command: process.execPath,
  args: [serverFile, settings.digestDirectory],
  allow: ["write_file", "move_file", "get_file_info"],
  effects: {
    get_file_info: "read",
    // Writing the same temporary file again changes nothing.
    write_file: "idempotent",
    // The move is what publishes. After a crash the file itself tells whether it happened.
    move_file: {
      effect: "once",
      reconcile: async ({ input, call }) => {
        const { destination } = z.looseObject({ destination: z.string() }).parse(input);
        const info = await call("get_file_info", { path: destination });
        return info.ok ? { happened: true, value: `${destination} is there` } : { happened: false };
      },
    },
  },
});

/** Writes the digest of one scan: a temporary file, then a move, so that a reader never sees half of it. */
export const editor = defineAgent({
  name: "editor",
  model: provider.model,
  instructions: `You write a Markdown digest of package releases for engineers.
Title: "# Releases of <date>".${provider.simulated ? ' The next line must be "> Simulated: no model was asked; this is a summary by rules."' : ""}
Then one section for each assessment, highest risk first: "## <package> <version>", the risk, the summary and the cited facts. Use every assessment and invent nothing.
Then, if there are failures, "## Not analysed" with package, version and reason of each. If waiting is above 0, end with a line that says how many releases wait for the next scan.
First call write_file with the path of the input plus ".tmp". Then call move_file from that file to the path of the input. Then hand in the path and the number of packages.`,
  tools: [files],
  input: z.object({ id: z.string(), date: z.string(), path: z.string(), assessments: z.array(assessment), failures: z.array(failedAnalysis), waiting: z.number() }),
  output: z.object({ path: z.string(), packages: z.number() }),
  verify: ({ input, output, transcript, accept, reject }) => {
    if (output.path !== input.path) return reject(`the digest must be at ${input.path}`);
    const written = writtenText(transcript, `${input.path}.tmp`);
    if (written === null) return reject(`call write_file for ${input.path}.tmp, then move_file to ${input.path}`);
    const missing = [...input.assessments, ...input.failures].filter((item) => !written.includes(`${item.package} ${item.version}`));
    if (missing.length > 0) return reject(`the digest lacks ${missing.map((item) => `${item.package} ${item.version}`).join(", ")}`);
    return accept({ path: output.path, bytes: Buffer.byteLength(written) });
  },
  limits: { turnsMax: 10, outputTokensMax: 12_000 },
  // A call that a crash interrupts counts in full, since it may have been charged: two of the largest calls fit.
  budget: { perTask: usd(settings.dollarsPerDay * 0.3), perDay: usd(settings.dollarsPerDay * 0.3) },
  expect: { progressWithin: settings.progressWithin },
});

/** What was last written to the temporary file and then moved; null when that did not happen. */
function writtenText(transcript: readonly Message[], temporary: string): string | null {
  const succeeded = new Set(transcript.flatMap((message) => (message.role === "tool" ? message.results.filter((result) => !result.isError).map((result) => result.callId) : [])));
  const calls = transcript.flatMap((message) => (message.role === "assistant" ? message.parts.filter((part) => part.type === "tool-call") : [])).filter((call) => succeeded.has(call.callId));
  const written = calls.findLast((call) => call.toolName === "write_file" && field(call.input, "path") === temporary);
  const moved = calls.some((call) => call.toolName === "move_file" && field(call.input, "source") === temporary);
  return written !== undefined && moved ? field(written.input, "content") : null;
}

function field(input: unknown, name: string): string {
  const value: unknown = typeof input === "object" && input !== null ? (input as Readonly<Record<string, unknown>>)[name] : undefined;
  return typeof value === "string" ? value : "";
}
