import { formatDuration } from "../../base/duration.ts";
import { createProviderSimulator, type Receipt, serveProviderSimulator } from "../../lab/provider/index.ts";
import type { CommandContext, ExitCode } from "../command-context.ts";
import { toFaultFunction } from "../fault-option.ts";
import { listenForStop } from "../stop-signal.ts";

export interface FakeProviderOptions {
  readonly port: number;
  readonly seed: string;
  readonly latencyMs: number;
  readonly faults: readonly string[];
}

/** Serves simulated model providers until Ctrl-C, one line a request. */
export async function runFakeProvider(context: CommandContext, { port, seed, latencyMs, faults }: FakeProviderOptions): Promise<ExitCode> {
  const { output, clock } = context;
  const simulator = createProviderSimulator({
    clock,
    seed,
    faults: toFaultFunction({ faults, latencyMs, seed }),
    onReceipt: (receipt) => {
      output.data({ event: "request", ...receipt });
      output.say(formatReceipt(receipt, clock.now() - receipt.atMs));
    },
  });
  const server = await serveProviderSimulator({ simulator, port });
  const urls = { anthropic: server.url, openai: `${server.url}/v1`, "openai-compatible": `${server.url}/v1` };
  output.data({ event: "listening", port: server.port, urls });
  output.say(
    `Simulated model providers on ${server.url}: any key and any model name is accepted. Ctrl-C ends them.`,
    "",
    `  Anthropic Messages        ANTHROPIC_BASE_URL=${urls.anthropic}`,
    `  OpenAI Responses          OPENAI_BASE_URL=${urls.openai}`,
    `  OpenAI Chat Completions   ${urls["openai-compatible"]}`,
    "",
    `  curl ${urls.openai}/chat/completions -H 'authorization: Bearer x' -H 'content-type: application/json' \\`,
    `    -d '{"model":"sim","messages":[{"role":"user","content":"hello"}]}'`,
    "",
  );
  const stop = listenForStop({ clock });
  await stop.asked;
  stop.release();
  await server.close();
  return 0;
}

function formatReceipt(receipt: Receipt, tookMs: number): string {
  const { number, path, model, status, inputTokens, outputTokens, fault, outcome } = receipt;
  const parts = [`#${number}`, String(status ?? "-"), path, model ?? "", formatDuration(tookMs), `${inputTokens} + ${outputTokens} tokens`, fault === null ? outcome : `fault ${fault}`];
  return parts.filter((part) => part !== "").join("  ");
}
