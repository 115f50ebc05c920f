import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createProviderSimulator, type Receipt, serveProviderSimulator, type Script } from "longhaul/simulator";
import { type RecordedRegistry, readRecording, serveRecordedRegistry } from "../recorded-registry.ts";
import { simulatedModel } from "../simulated-model.ts";
import type { Query } from "./figures.ts";
import { askTeam, createTeamFolder, startTeam, type TeamFolder, type TeamProcess } from "./team-process.ts";
import { openWebhookReceiver, type WebhookReceiver } from "./webhook-receiver.ts";

/** Everything around the team, all of it on this machine and in one folder that is removed at the end. */
export interface Stage {
  readonly folder: TeamFolder;
  readonly registry: RecordedRegistry;
  readonly receiver: WebhookReceiver;
  readonly simulatorUrl: string;
  /** How the simulated model behaves from now on. */
  readonly model: { latencyMs: number; isHollow: boolean };
  /** Every receipt of the provider, read back from the file that they are appended to. */
  receipts(): readonly Receipt[];
  readonly query: Query;
  ask(...command: readonly string[]): Promise<readonly Readonly<Record<string, unknown>>[]>;
  start(environment: Readonly<Record<string, string>>): TeamProcess;
  /** Ends every process that was started and removes every file. */
  clear(): Promise<void>;
}

export async function setStage(): Promise<Stage> {
  const path = mkdtempSync(join(tmpdir(), "longhaul-demo-"));
  const receiptFile = join(path, "receipts.jsonl");
  writeFileSync(receiptFile, "");
  const model = { latencyMs: 0, isHollow: false };
  const script: Script = async (request, context) => {
    const reply = await simulatedModel(request, context);
    return model.isHollow ? withoutTruth(reply) : reply;
  };
  const simulator = createProviderSimulator({
    script,
    faults: () => ({ kind: "latency", ms: model.latencyMs }),
    onReceipt: (receipt) => appendFileSync(receiptFile, `${JSON.stringify(receipt)}\n`),
  });
  const [provider, registry, receiver] = await Promise.all([serveProviderSimulator({ simulator }), serveRecordedRegistry(), openWebhookReceiver()]);
  const dependencies = Object.fromEntries(readRecording().map(({ name, versions }) => [name, `^${versions[0]?.version ?? "0.0.0"}`]));
  const folder = createTeamFolder({ folder: path, registryUrl: registry.url, simulatorUrl: provider.url, dependencies });
  const processes: TeamProcess[] = [];
  let isCleared = false;
  return {
    folder, registry, receiver, model,
    simulatorUrl: provider.url,
    receipts: () => readFileSync(receiptFile, "utf8").split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Receipt),
    query: (sql) => askTeam(folder, ["sql", sql, "--rows", "100000"]),
    ask: (...command) => askTeam(folder, command),
    start(environment) {
      if (isCleared) throw new Error("The stage is cleared; nothing starts on it any more.");
      const started = startTeam(folder, { RELEASE_WATCH_WEBHOOK: receiver.url, ...environment });
      processes.push(started);
      return started;
    },
    async clear() {
      isCleared = true;
      for (const started of processes) if (!started.hasEnded()) started.signal("SIGKILL");
      await Promise.all(processes.map(({ ended }) => ended));
      await Promise.all([provider.close(), registry.close()]);
      receiver.close();
      rmSync(path, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** An analyst that cites what no tool returned: well-formed answers, every one of them to be rejected. */
function withoutTruth(reply: Awaited<ReturnType<Script>>): Awaited<ReturnType<Script>> {
  const parts = reply.parts.map((part) => {
    if (part.type !== "tool-call" || part.name !== "final_answer" || typeof part.input !== "object" || part.input === null || !("citations" in part.input)) return part;
    return { ...part, input: { ...part.input, citations: [{ field: "rumour", value: "they say it is fine" }] } };
  });
  return { ...reply, parts };
}

/** Waits until `look` finds something. @throws when it found nothing in time. */
export async function waitFor<T>(what: string, timeoutMs: number, look: () => Promise<T | null | undefined | false> | T | null | undefined | false): Promise<T> {
  const untilMs = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== null && found !== undefined && found !== false) return found;
    if (Date.now() > untilMs) throw new Error(`${what}: not within ${timeoutMs / 1000} s`);
    await sleep(50);
  }
}
