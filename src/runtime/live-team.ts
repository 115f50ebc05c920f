import type { TeamDefinition } from "../agent/team-definition.ts";
import { assertTeam } from "../agent/validate-team.ts";
import { messageOf } from "../base/error.ts";
import { isFileFailure } from "../db/file-failure.ts";
import type { DrainReport, Engine, RecoveryReport } from "../engine/engine.ts";
import type { HealthVerdict } from "../record/health.ts";
import type { MessageStore, RecordStore } from "../store/store.ts";
import type { LiveTeamOptions } from "./live-team-options.ts";
import type { Json } from "../base/json.ts";
import { validate } from "../base/schema.ts";
import { judgeTeam } from "./judge-team.ts";
import { createOperations, type Operations } from "./operations.ts";
import { type Running, startParts } from "./start-parts.ts";
import { readManifest } from "./team-manifest.ts";
import { tellTrouble } from "./tell-trouble.ts";
import { describeEnding } from "./worker-ends.ts";
import { openParts, teamRecord, type TeamParts } from "./team-parts.ts";

export type { LiveTeamOptions } from "./live-team-options.ts";

/** A team that is open. `start` makes it work; `drain`, then `close`, ends it and loses nothing. */
export interface LiveTeam {
  readonly team: TeamDefinition;
  /** What it needs and is not there, such as a model's key: sentences for people. */
  readonly missing: readonly string[];
  /** Names this process among the workers of a cluster; null: it is the only one. */
  readonly worker: string | null;
  readonly operations: Operations;
  /** What there is to read. */
  readonly records: RecordStore;
  readonly messages: MessageStore;
  readonly tasks: Pick<Engine, "list" | "steps">;
  start(): Promise<RecoveryReport>;
  isReady(): boolean;
  /** True when no step executes and nothing waits to be committed. */
  isQuiet(): boolean;
  /** True while a run replays. */
  isTelling(): boolean;
  health(): Promise<readonly HealthVerdict[]>;
  /** Takes no new work, lets steps finish for at most `timeoutMs`, leaves the rest to be resumed. */
  drain(timeoutMs: number): Promise<DrainReport>;
  /** Tells people that this process ends though nobody asked it to, and why. */
  tellEnding(reason: string): Promise<void>;
  /** `recycled`: why a new process goes on at once. `because`: why it ends, when nobody asked it to. */
  close(options?: { readonly recycled?: string; readonly because?: string }): Promise<void>;
}

/**
 * Opens a team: validates it, takes the data directory over, wires every part. Nothing runs before `start`.
 * @throws {TEAM_INVALID} {ENGINE_OWNED} {STORE_VERSION} {SECRET_MISSING}
 */
export async function openLiveTeam(options: LiveTeamOptions): Promise<LiveTeam> {
  const definition = assertTeam(options.team);
  const parts = await openParts(definition, options);
  const { data, clock } = parts;
  let running: Running | null = null;
  let isDraining = false;
  return {
    team: definition,
    missing: parts.missing,
    worker: data.shared?.worker ?? null,
    operations: createOperations({ engine: data.engine, store: data.store, clock, ids: parts.ids, manifest: () => parts.manifest, checkInput: (agent, input) => checkInput(parts, agent, input) }),
    records: data.store.records,
    messages: data.store.messages,
    tasks: data.engine,
    isQuiet: () => data.engine.isQuiet(),
    isTelling: () => data.engine.isTelling(),
    async start() {
      const begun = await startParts(parts);
      running = begun.running;
      return begun.report;
    },
    isReady: () => running !== null && !isDraining && parts.storage.failingSinceMs === null && !data.isHeld,
    async health() {
      const nowMs = clock.now();
      // On a cluster, time goes by for the team, whenever this process began.
      const manifest = (data.shared === null ? null : await readManifest(parts)) ?? parts.manifest;
      const verdicts = await judgeTeam({ tasksOf: parts.agentTasks.of, store: data.store }, manifest, nowMs);
      return data.shared === null ? verdicts : tellTrouble(verdicts, await data.shared.workers());
    },
    async drain(timeoutMs) {
      isDraining = true;
      await running?.drain();
      return data.engine.drain(timeoutMs);
    },
    async tellEnding(reason) {
      try {
        await running?.tell(describeEnding(parts, reason));
      } catch (error) {
        parts.options.print(`That the team ends could not be told: ${messageOf(error)}`);
      }
    },
    async close({ recycled, because } = {}) {
      isDraining = true;
      await running?.close();
      // Steps that still execute end before the tools that they use are taken from them.
      await data.engine.drain(0);
      await parts.tools.close();
      parts.storage.close();
      if (running !== null) await recordStop(parts, recycled ?? null, because ?? null);
      await parts.tail.settled();
      await data.close();
    },
  };
}

/** A full disk keeps the stop from being recorded, and nothing else: the file is closed all the same. */
async function recordStop(parts: TeamParts, recycled: string | null, because: string | null): Promise<void> {
  try {
    await parts.write([teamRecord(parts, { event_type: "stop", result: recycled === null ? "stopped" : "recycled", reason: recycled ?? because })]);
  } catch (error) {
    if (!isFileFailure(error)) throw error;
    parts.options.print(`The stop could not be recorded: ${messageOf(error)}`);
  }
}

async function checkInput({ workers }: TeamParts, agent: string, input: Json): Promise<readonly string[]> {
  const schema = workers.get(agent)?.spec.input;
  const checked = schema === undefined ? null : await validate(schema, input);
  return checked === null || checked.ok ? [] : checked.issues;
}
