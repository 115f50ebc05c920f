import { createAnthropic } from "@ai-sdk/anthropic";
import { generateText, isStepCount, tool } from "ai";
import { z } from "zod";
import type { Life } from "./life.ts";
import type { Outside } from "./outside.ts";
import type { AblationPlan, ArrivingTask } from "./plan.ts";
import type { Fate, Side } from "./side.ts";
import { instructions, modelName, promptOf } from "./task-text.ts";

interface Row {
  readonly task: ArrivingTask;
  state: "open" | "done" | "aside";
  answer: string;
  overAtMs: number | null;
}

/** How long a loop waits when it has gone through its rows. */
const passMs = 5_000;
const stepsMax = 25;

/**
 * What is written with the AI SDK and its defaults: one loop for each agent, in one process, over a durable inbox. A row is marked done when `generateText`
 * has returned; when it throws, the error is logged and the row is taken again in the next pass.
 */
export class NaiveSide implements Side {
  readonly #plan: AblationPlan;
  readonly #outside: Outside;
  readonly #nowMs: () => number;
  readonly #rows: Row[] = [];

  constructor(plan: AblationPlan, outside: Outside, nowMs: () => number) {
    this.#plan = plan;
    this.#outside = outside;
    this.#nowMs = nowMs;
  }

  arrive(task: ArrivingTask): void {
    this.#rows.push({ task, state: "open", answer: "", overAtMs: null });
  }

  async begin(life: Life): Promise<void> {
    for (const agent of this.#plan.agents) void this.#loop(life, agent);
  }

  async stop(): Promise<void> {
    // Node ends a process at SIGTERM, and nothing in this one minds.
  }

  afterDeath(): void {
    // The inbox is a table of a database: what is open in it is open.
  }

  over(): ReadonlyMap<string, number> {
    return new Map(this.#rows.flatMap(({ task, overAtMs }) => (overAtMs === null ? [] : [[task.id, overAtMs] as const])));
  }

  setAside(taskId: string): boolean {
    const row = this.#rows.find(({ task, state }) => task.id === taskId && state === "open");
    if (row === undefined) return false;
    row.state = "aside";
    row.overAtMs = this.#nowMs();
    return true;
  }

  async fates(): Promise<ReadonlyMap<string, Fate>> {
    const fateOf = ({ state, answer }: Row): Fate => (state === "done" ? { fate: "done", answer } : state === "open" ? { fate: "open", reason: "in the inbox" } : { fate: "dead", reason: "set aside by a person" });
    return new Map(this.#rows.map((row) => [row.task.id, fateOf(row)]));
  }

  async #loop(life: Life, agent: string): Promise<never> {
    for (;;) {
      for (const row of this.#rows.filter(({ task, state }) => task.agent === agent && state === "open")) {
        try {
          row.answer = await this.#work(life, row.task);
          row.state = "done";
          row.overAtMs = this.#nowMs();
        } catch {
          // Logged, in the program that this stands for. The row stays open for the next pass.
        }
      }
      await life.pause(passMs);
    }
  }

  async #work(life: Life, { id }: ArrivingTask): Promise<string> {
    const anthropic = createAnthropic({ apiKey: "k", fetch: life.fetch });
    const { text } = await generateText({
      model: anthropic(modelName),
      instructions,
      prompt: promptOf(id),
      tools: {
        read_fact: tool({ description: "Reads the fact of a task.", inputSchema: z.object({ task: z.string() }), execute: ({ task }) => this.#outside.readFact(life, task) }),
        deliver: tool({ description: "Delivers the fact of a task to the customer.", inputSchema: z.object({ task: z.string(), value: z.string() }), execute: ({ task, value }) => this.#outside.deliver(life, { taskId: task, value }) }),
      },
      stopWhen: isStepCount(stepsMax),
    });
    return text;
  }
}
