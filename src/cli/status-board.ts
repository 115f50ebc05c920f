import { isEnded, type Task, type TaskStatus } from "../record/task.ts";
import type { LogRecord } from "../record/log-record.ts";

export interface AgentStatus {
  readonly name: string;
  /** "working", "idle", "queued", "waiting(budget)", or what its bad verdict names. */
  readonly state: string;
  readonly isBad: boolean;
  readonly running: number;
}

export interface TeamStatus {
  readonly agents: readonly AgentStatus[];
  readonly running: number;
  readonly queued: number;
  readonly waiting: number;
  readonly tokensToday: number;
  readonly costMicroUsdToday: number;
  readonly isSimulated: boolean;
}

export interface StatusBoardOptions {
  readonly agents: readonly string[];
  /** Tasks that were open when the board was made. */
  readonly openTasks: readonly Pick<Task, "id" | "agent" | "status" | "waitingReason">[];
  /** What was spent on the day of `nowMs` (UTC) before the board was made. */
  readonly tokensToday: number;
  readonly costMicroUsdToday: number;
  /** True when a simulated provider answered some of it. */
  readonly isSimulated: boolean;
  readonly nowMs: number;
}

interface OpenTask {
  readonly agent: string;
  readonly status: TaskStatus;
  readonly waitingReason: string | null;
}

/** What a team does right now, kept up to date by its records alone. */
export class StatusBoard {
  readonly #agents: Set<string>;
  readonly #open = new Map<string, OpenTask>();
  /** What bad verdicts name, by agent. */
  readonly #bad = new Map<string, string>();
  /** Those for whose work something stood in. */
  readonly #degraded = new Set<string>();
  #day: string;
  #tokens: number;
  #costMicroUsd: number;
  #isSimulated: boolean;

  constructor({ agents, openTasks, tokensToday, costMicroUsdToday, isSimulated, nowMs }: StatusBoardOptions) {
    this.#agents = new Set(agents);
    for (const { id, agent, status, waitingReason } of openTasks) this.#open.set(id, { agent, status, waitingReason });
    this.#day = dayOf(new Date(nowMs).toISOString());
    this.#tokens = tokensToday;
    this.#costMicroUsd = costMicroUsdToday;
    this.#isSimulated = isSimulated;
  }

  apply(record: LogRecord): void {
    if (record.event_type === "task") this.#applyTask(record);
    if (record.event_type === "health") this.#applyHealth(record);
    if (record.event_type !== "model_call" && record.event_type !== "tool_call") return;
    const day = dayOf(record.timestamp);
    if (day > this.#day) {
      this.#day = day;
      this.#tokens = 0;
      this.#costMicroUsd = 0;
    }
    this.#tokens += record.tokens_used ?? 0;
    this.#costMicroUsd += record.cost_micro_usd ?? 0;
    this.#isSimulated ||= record.simulated;
  }

  status(): TeamStatus {
    const open = [...this.#open.values()];
    const count = (status: TaskStatus): number => open.filter((task) => task.status === status).length;
    return {
      agents: [...this.#agents].map((name) => this.#agentStatus(name, open.filter((task) => task.agent === name))),
      running: count("running"),
      queued: count("queued"),
      waiting: count("waiting"),
      tokensToday: this.#tokens,
      costMicroUsdToday: this.#costMicroUsd,
      isSimulated: this.#isSimulated,
    };
  }

  #agentStatus(name: string, open: readonly OpenTask[]): AgentStatus {
    const status = this.#plainStatus(name, open);
    return this.#degraded.has(name) ? { ...status, state: `${status.state}, degraded` } : status;
  }

  #plainStatus(name: string, open: readonly OpenTask[]): AgentStatus {
    const running = open.filter(({ status }) => status === "running").length;
    const bad = this.#bad.get(name);
    if (bad !== undefined) return { name, state: bad, isBad: true, running };
    const waiting = open.find(({ status }) => status === "waiting");
    const rest = waiting !== undefined ? `waiting(${waiting.waitingReason ?? "unknown"})` : open.length > 0 ? "queued" : "idle";
    return { name, state: running > 0 ? "working" : rest, isBad: false, running };
  }

  #applyHealth({ agent_id, result, data }: LogRecord): void {
    if (agent_id === null) return;
    if (data["bad"] === true) this.#bad.set(agent_id, result ?? "bad");
    else this.#bad.delete(agent_id);
    if (typeof data["degraded"] === "string") this.#degraded.add(agent_id);
    else this.#degraded.delete(agent_id);
  }

  #applyTask({ task_id, agent_id, result }: LogRecord): void {
    const match = /^([a-z]+)(?:\((.*)\))?$/.exec(result ?? "");
    if (task_id === null || agent_id === null || match === null) return;
    const status = match[1] as TaskStatus;
    if (isEnded(status)) this.#open.delete(task_id);
    else this.#open.set(task_id, { agent: agent_id, status, waitingReason: match[2] ?? null });
  }
}

function dayOf(timestamp: string): string {
  return timestamp.slice(0, 10);
}
