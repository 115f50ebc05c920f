import type { AgentDefinition, FlowDefinition } from "../agent/agent-definition.ts";
import { computeAgentVersion } from "../agent/agent-version.ts";
import type { NotifierDefinition, TeamDefinition } from "../agent/team-definition.ts";
import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/error.ts";
import { createIds } from "../base/id.ts";
import { systemProcess } from "../base/process.ts";
import type { Notifier } from "../notify/notify.ts";
import { consoleNotifier } from "../notify/console.ts";
import { webhookNotifier } from "../notify/webhook.ts";
import type { Breakers } from "../policy/breakers.ts";
import { Limiter } from "../policy/limiter.ts";
import type { RetentionPolicy } from "../policy/retention.ts";
import { RetryQuotas } from "../policy/retry-quota.ts";
import { runMemory } from "../memory/run-memory.ts";
import { type RecordFields, toLogRecord } from "../record/log-record.ts";
import { isEnded } from "../record/task.ts";
import type { Write } from "../record/write.ts";
import type { RunServices } from "../run/run-services.ts";
import { toWorker, type Worker } from "../run/worker.ts";
import { listRegistrations, type Registration } from "../trigger/registration.ts";
import { createSubscriptions } from "../trigger/subscriptions.ts";
import { type AgentTasksMirror, createAgentTasksMirror, createSharedAgentTasks } from "./agent-tasks.ts";
import { dataDirectory } from "./data-directory.ts";
import type { LiveTeamOptions } from "./live-team-options.ts";
import type { Manifest } from "./manifest.ts";
import { createChildLedger, endLeftChildren } from "./left-children.ts";
import { createMcpPins } from "./mcp-pins.ts";
import { missingModels } from "./missing-models.ts";
import { createModelServices } from "./model-services.ts";
import { type OpenData, openData, type OpenDataOptions } from "./open-data.ts";
import { createRecordTail, type RecordTail } from "./record-tail.ts";
import { createSecrets, type Secrets } from "./secrets.ts";
import { toRetentionPolicy } from "./retention-policy.ts";
import type { Store } from "../store/store.ts";
import { createStorageAlarm, database, dataFile, type StorageAlarm } from "./storage-alarm.ts";
import { taskRecords } from "./task-record.ts";
import { assertBackupPossible } from "./team-backup.ts";
import { createTeamBreakers, noteCalleeEnd } from "./team-breakers.ts";
import { beginManifest } from "./team-manifest.ts";
import { createUsualSpend } from "./usual-spend.ts";
import { createVerifiedOutputs } from "./verified-outputs.ts";
import type { McpPins } from "../tool/mcp-pin.ts";
import { createToolSet, type ToolSet, type ToolSetOptions } from "./tool-set.ts";

/** Every part of an open team. */
export interface TeamParts {
  readonly options: LiveTeamOptions;
  readonly name: string;
  readonly spec: TeamDefinition["spec"];
  readonly clock: Clock;
  readonly ids: (prefix: string) => string;
  readonly workers: ReadonlyMap<string, Worker>;
  readonly registrations: readonly Registration[];
  /** Replaced when the machine slept. */
  manifest: Manifest;
  readonly data: OpenData;
  readonly tools: ToolSet;
  readonly services: RunServices;
  readonly notifiers: ReadonlyMap<string, Notifier>;
  /** What of its models is not there, for people. */
  readonly missing: readonly string[];
  readonly tail: RecordTail;
  readonly agentTasks: AgentTasksMirror;
  /** How many groups of writes the data file took or refused: what was read holds until it changes. */
  readonly commits: { readonly count: number };
  readonly storage: StorageAlarm;
  readonly retention: RetentionPolicy;
  readonly write: (writes: readonly Write[]) => Promise<void>;
  /** Told after each commit; the watchdog listens. */
  readonly onCommit: { listener: (() => void) | null };
}

/** Opens the data and wires the parts; nothing executes yet. */
export async function openParts(definition: TeamDefinition, options: LiveTeamOptions): Promise<TeamParts> {
  const { clock, random } = options;
  const { name, spec } = definition;
  assertBackupPossible(spec.backup, options.cluster !== undefined);
  const { definitions, workers } = workersOf(definition);
  const retention = toRetentionPolicy(spec.retention ?? {}, workers.values());
  const secrets = createSecrets(options.environment);
  // Before the data is taken over, so that a missing secret leaves nothing half open.
  const pins: { kept: McpPins | null } = { kept: null };
  const tools = createToolSet(workers, {
    clock, secrets, ...mcpOptions(workers, options),
    pins: { check: async (server, offered) => (await pins.kept?.check(server, offered)) ?? new Map() },
  });
  const notifiers = createNotifiers(spec.notify ?? [{ kind: "console", name: "console" }], secrets, options);
  const models = createModelServices({ clock, secrets, endpoints: spec.endpoints ?? [], modelFor: options.modelFor ?? (() => null) });
  const missing = missingModels(spec, models.checkModel);
  const ids = createIds(clock, random.split("ids"));
  const onCommit: TeamParts["onCommit"] = { listener: null };
  let tail: RecordTail | null = null;
  let agentTasks: AgentTasksMirror | null = null;
  const commits = { count: 0 };
  const limiter = new Limiter({ clock, declared: spec.limits ?? {} });
  const breakers = createBreakers(name, options, ids, () => data.store);
  const storage = createStorageAlarm({ clock, team: name, storage: options.cluster === undefined ? dataFile : database, ids, notifiers: [...notifiers.values()], print: options.print });
  const data = await openTeamData(name, options, {
    clock,
    ids,
    observe: (change) => {
      agentTasks?.note(change.task);
      if (isEnded(change.task.status)) limiter.forget(change.task.id);
      return taskRecords(change, { team: name, versionOf: (agent) => workers.get(agent)?.version ?? null, id: () => ids("e") });
    },
    onTask: (task) => {
      agentTasks?.noteCommitted(task);
      noteCalleeEnd(breakers, workers, task);
    },
    redact: secrets.redact,
    onCommit: () => {
      tail?.changed();
      onCommit.listener?.();
    },
    onOutcome: (failure) => {
      commits.count++;
      storage.outcome(failure);
      // The disk may be full.
      if (failure !== null) onCommit.listener?.();
    },
  });
  pins.kept = createMcpPins({ team: name, clock, ids, store: data.store });
  if (options.dataDirectory !== null) endLeftChildren(dataDirectory(options.dataDirectory).children, systemProcess, clock.now());
  agentTasks = data.shared === null ? createAgentTasksMirror(data.engine) : createSharedAgentTasks(data.engine);
  tail = await createRecordTail(data.store.records, options.onRecord, (error) => options.print(`A record could not be shown: ${messageOf(error)}`));
  const registrations = listRegistrations(definitions);
  const subscriptions = createSubscriptions({ clock, team: name, taskId: () => ids("t"), registrations });
  const services: RunServices = {
    team: name, clock, random: random.split("run"), ids, store: data.store, workers, memory: runMemory, hideSecrets: secrets.hide,
    breakers, taskOfRun: (runId) => data.engine.taskOfRun(runId),
    quotas: new RetryQuotas(), limiter,
    usualSpend: createUsualSpend(clock, data.store.money, { list: (filter) => data.engine.list(filter) }),
    resolveModel: models.resolveModel, durableModel: models.durableModel,
    toolsOf: tools.toolsOf,
    findVerified: createVerifiedOutputs({ list: (filter) => data.engine.list(filter) }),
    subscribers: (event, eventData, publishId) => subscriptions.tasksFor(event, eventData, publishId),
  };
  return {
    options, name, spec, missing, retention, clock, ids, workers, registrations, data, tools, services, notifiers, tail, storage, onCommit, agentTasks, commits,
    manifest: await beginManifest({ name, clock, workers, registrations, retention, data }),
    write: (writes) => data.store.write(writes),
  };
}

/** All that may be given a task. */
function workersOf({ spec }: TeamDefinition): { readonly definitions: readonly (AgentDefinition | FlowDefinition)[]; readonly workers: ReadonlyMap<string, Worker> } {
  const definitions = [...spec.agents, ...(spec.flows ?? [])];
  return { definitions, workers: new Map(definitions.map((worker) => [worker.name, toWorker(worker, computeAgentVersion(worker))])) };
}

/** Nothing asks or tells them before there is a store. */
function createBreakers(name: string, { clock, random, print }: LiveTeamOptions, ids: (prefix: string) => string, store: () => Store): Breakers {
  return createTeamBreakers({
    clock, random: random.split("breakers"), newId: () => ids("b"),
    meta: { get: (key) => store().meta.get(key), swap: (key, before, after) => store().meta.swap(key, before, after) },
    record: (fields) => void store().write([teamRecord({ clock, ids, name }, fields)]).catch((error: unknown) => print(`A record could not be written: ${messageOf(error)}`)),
  });
}

function mcpOptions(workers: ReadonlyMap<string, Worker>, { mcpServerFor, dataDirectory: directory }: LiveTeamOptions): Pick<ToolSetOptions, "mcpServerFor" | "children"> {
  const hasChildren = [...workers.values()].some(({ spec }) => spec.tools?.some((definition) => definition.kind === "mcp" && definition.spec.command !== undefined) === true);
  return {
    ...(mcpServerFor === undefined ? {} : { mcpServerFor }),
    ...(directory === null || !hasChildren ? {} : { children: createChildLedger(dataDirectory(directory).children, systemProcess()) }),
  };
}

type DataOptions = Pick<OpenDataOptions, "clock" | "ids" | "observe" | "onTask" | "redact" | "onCommit" | "onOutcome">;

async function openTeamData(team: string, options: LiveTeamOptions, wiring: DataOptions): Promise<OpenData> {
  const { cluster, random, print, dataDirectory: directory, watchCommits, leaseMs, onFenced } = options;
  if (cluster !== undefined) {
    const { openClusterData } = await import("./open-cluster-data.ts");
    return await openClusterData({ ...wiring, team, cluster, random, onNotice: print, onFault: (error) => print(`The engine failed at something, and goes on: ${messageOf(error)}`) });
  }
  return openData({
    ...wiring,
    file: directory === null ? null : dataDirectory(directory).database,
    onFenced: (error) => onFenced?.(error),
    ...(watchCommits === undefined ? {} : { watchCommits }),
    ...(leaseMs === undefined ? {} : { ownership: { leaseMs } }),
  });
}

function createNotifiers(definitions: readonly NotifierDefinition[], secrets: Secrets, { clock, print }: LiveTeamOptions): ReadonlyMap<string, Notifier> {
  return new Map(
    definitions.map((definition) => {
      if (definition.kind === "console") return [definition.name, consoleNotifier({ write: print })];
      const { name, url, headers, signingSecret } = definition;
      const spec = { name, url: secrets.value(url), headers: secrets.values(headers), ...(signingSecret === null ? {} : { secret: secrets.value(signingSecret) }) };
      return [name, webhookNotifier(spec, { clock })];
    }),
  );
}

/** A record that belongs to the team and to no run. */
export function teamRecord({ ids, clock, name }: Pick<TeamParts, "ids" | "clock" | "name">, fields: RecordFields): Write {
  return { type: "record", record: toLogRecord(ids("e"), clock.now(), name, fields) };
}
