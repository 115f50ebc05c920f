import { defineAgent, defineTeam, defineTool, type TeamDefinition } from "longhaul";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import type { Clock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { type LiveTeam, openLiveTeam } from "../../src/runtime/live-team.ts";
import { databasePath, readImage, writeImage } from "../reliability/disk-image.ts";
import type { Life } from "./life.ts";
import type { Outside } from "./outside.ts";
import type { AblationPlan, ArrivingTask } from "./plan.ts";
import type { Fate, Side } from "./side.ts";
import { instructions, modelName, promptOf } from "./task-text.ts";

export interface LonghaulSideOptions {
  readonly plan: AblationPlan;
  readonly outside: Outside;
  /** Where the data directories of its lives are. */
  readonly folder: string;
  /** The wall clock of a life. */
  readonly clockOf: (life: Life) => Clock;
  readonly nowMs: () => number;
}

const drainMs = 20_000;

/** The same agents as a team of Longhaul, with its defaults. */
export class LonghaulSide implements Side {
  readonly #options: LonghaulSideOptions;
  /** By the name that Longhaul has for it. */
  readonly #idOf = new Map<string, string>();
  readonly #over = new Map<string, number>();
  /** What the client has not been told to be taken. */
  readonly #inbox = new Map<string, ArrivingTask>();
  #lives = 0;
  #directory: string;
  #live: { readonly life: Life; readonly team: LiveTeam } | null = null;

  constructor(options: LonghaulSideOptions) {
    this.#options = options;
    this.#directory = join(options.folder, "0");
  }

  arrive(task: ArrivingTask): void {
    this.#inbox.set(task.id, task);
    void this.#submit(task);
  }

  async begin(life: Life): Promise<void> {
    const { clockOf, nowMs } = this.#options;
    const open = openLiveTeam({
      team: this.#define(life),
      dataDirectory: this.#directory,
      clock: clockOf(life),
      random: seededRandom(`ablation ${this.#options.plan.seed}/life ${++this.#lives}`),
      environment: (name) => (name === "ANTHROPIC_API_KEY" ? "k" : undefined),
      print: () => undefined,
      onRecord: ({ event_type, result, task_id }) => {
        const id = this.#idOf.get(task_id ?? "");
        if (event_type === "task" && id !== undefined && /^(done|dead)/.test(result ?? "")) this.#over.set(id, nowMs());
      },
    });
    const team = await life.orNever(open);
    await life.orNever(team.start());
    this.#live = { life, team };
    for (const task of this.#inbox.values()) await this.#submit(task);
  }

  async stop(): Promise<void> {
    const { team } = this.#opened;
    await team.drain(drainMs);
    await team.close();
    this.#live = null;
  }

  /** What a killed process leaves is its disk; the next one finds that, in a place of its own since the file is still open in this thread. */
  afterDeath(): void {
    if (this.#live === null) return;
    this.#live = null;
    const next = join(this.#options.folder, String(this.#lives));
    writeImage(next, readImage(this.#directory));
    markOwnerDead(next);
    this.#directory = next;
  }

  over(): ReadonlyMap<string, number> {
    return this.#over;
  }

  setAside(): boolean {
    return false;
  }

  async fates(): Promise<ReadonlyMap<string, Fate>> {
    const tasks = await this.#opened.team.tasks.list({ limit: 10_000 });
    return new Map(
      tasks.map(({ key, status, waitingReason, end }): [string, Fate] => {
        if (end?.status === "done") return [key ?? "", { fate: "done", answer: JSON.stringify(end.output) }];
        if (end?.status === "dead") return [key ?? "", { fate: "dead", reason: end.reason }];
        return [key ?? "", { fate: "open", reason: waitingReason === null ? status : `${status}(${waitingReason})` }];
      }),
    );
  }

  get #opened(): { readonly life: Life; readonly team: LiveTeam } {
    if (this.#live === null) throw new Error("The team is not open.");
    return this.#live;
  }

  async #submit({ id, agent }: ArrivingTask): Promise<void> {
    if (this.#live === null) return;
    const { life, team } = this.#live;
    const { taskId } = await life.orNever(team.operations.submit({ agent, input: promptOf(id), key: id, source: "inbox" }));
    this.#idOf.set(taskId, id);
    this.#inbox.delete(id);
  }

  #define(life: Life): TeamDefinition {
    const { plan, outside } = this.#options;
    const readFact = defineTool({
      name: "read_fact",
      description: "Reads the fact of a task.",
      inputSchema: z.object({ task: z.string() }),
      effect: "read",
      execute: ({ task }, { signal }) => outside.readFact(life, task, signal),
    });
    const deliver = defineTool({
      name: "deliver",
      description: "Delivers the fact of a task to the customer.",
      inputSchema: z.object({ task: z.string(), value: z.string() }),
      effect: "once",
      execute: ({ task, value }, { signal, idempotencyKey }) => outside.deliver(life, { taskId: task, value, reference: idempotencyKey, signal }),
      async reconcile(_, { idempotencyKey }) {
        const found = await outside.findDelivery(life, idempotencyKey);
        return found === null ? { happened: false } : { happened: true, value: { receipt: found.receipt } };
      },
    });
    return defineTeam({
      name: "ablation",
      agents: plan.agents.map((name) => defineAgent({ name, model: `anthropic/${modelName}`, instructions, tools: [readFact, deliver], output: z.object({ receipt: z.string() }) })),
    });
  }
}

/** All lives share the process of the story. The next one is to find what it would find in life: that no process is alive which has the pid and the start time of the owner. */
function markOwnerDead(directory: string): void {
  const db = new DatabaseSync(databasePath(directory));
  db.exec("UPDATE lh_owner SET start_time = 'before'");
  db.close();
}
