import type { Clock } from "../../src/base/clock.ts";
import { sleep } from "../../src/base/clock.ts";
import type { Random } from "../../src/base/random.ts";
import { createProviderSimulator, type Fault, lastUserTextOf, type ProviderSimulator, type Receipt, replyText, replyToolCall, type Script, type SimulatedReply, type SimulatedRequest, toolResultsOf } from "../../src/lab/provider/index.ts";
import type { Life } from "./life.ts";
import { type AblationPlan, type ArrivingTask, smallModelFault, smallToolFault, type Window } from "./plan.ts";

/** What the sink was given: the oracle of what happened, whatever a side believes. */
export interface Delivery {
  readonly taskId: string;
  readonly value: string;
  readonly receipt: string;
  readonly atMs: number;
  /** What the client calls the delivery; null when it does not say. */
  readonly reference: string | null;
}

export interface OutsideOptions {
  readonly plan: AblationPlan;
  /** The true time. */
  readonly clock: Clock;
  readonly startAtMs: number;
  readonly random: Random;
  readonly hasSmallFaults: boolean;
}

const keepAliveMs = 12 * 3_600_000;
const modelMsMin = 2_000;
const modelMsMax = 6_000;
const toolMs = 500;
/** Where the final answer goes on a side that offers a tool for it. */
const answerTool = "final_answer";

/** The provider, the source of facts and the sink: one world, told to each side anew. */
export class Outside {
  readonly #options: OutsideOptions;
  readonly #tasks: ReadonlyMap<string, ArrivingTask>;
  readonly #attempts = new Map<string, number>();
  readonly #broken = new WeakSet<SimulatedRequest>();
  readonly #provider: ProviderSimulator;
  readonly deliveries: Delivery[] = [];
  readonly receipts: Receipt[] = [];
  /** How often reading a task killed its process. */
  readonly poisonings: string[] = [];

  constructor(options: OutsideOptions) {
    this.#options = options;
    this.#tasks = new Map(options.plan.tasks.map((task) => [task.id, task]));
    this.#provider = createProviderSimulator({
      clock: options.clock,
      random: options.random,
      script: (request, context) => this.#answer(request, context),
      faults: (request) => this.#faultOf(request),
      onReceipt: (receipt) => void this.receipts.push(receipt),
    });
  }

  readonly serve = (request: Request): Promise<Response> => this.#provider.fetch(request);

  /** What the read tool does. */
  async readFact(life: Life, taskId: string, signal?: AbortSignal): Promise<{ readonly fact: string }> {
    await life.pause(toolMs, signal);
    const task = this.#task(taskId);
    if (task.isPoison) {
      this.poisonings.push(taskId);
      life.end("poison");
      await life.pause(0);
    }
    if (this.#toolFault(taskId, "read") === "failed") throw new Error("502 Bad Gateway");
    return { fact: task.fact };
  }

  /** What the tool does that delivers to the sink, which takes whatever it is given, as often as it is given it. */
  async deliver(life: Life, { taskId, value, reference = null, signal }: { readonly taskId: string; readonly value: string; readonly reference?: string | null; readonly signal?: AbortSignal }): Promise<{ readonly receipt: string }> {
    await life.pause(toolMs, signal);
    const fault = this.#toolFault(taskId, "deliver");
    if (fault === "failed") throw new Error("502 Bad Gateway");
    const receipt = `receipt-${this.deliveries.length + 1}`;
    this.deliveries.push({ taskId, value, receipt, reference, atMs: this.#nowMs });
    if (fault === "answer-lost") await life.lostAnswer(signal);
    await life.pause(toolMs, signal);
    return { receipt };
  }

  /** What the sink says of a delivery that may have come. */
  async findDelivery(life: Life, reference: string): Promise<Delivery | null> {
    await life.pause(toolMs);
    return this.deliveries.find((delivery) => delivery.reference === reference) ?? null;
  }

  get #nowMs(): number {
    return this.#options.clock.now() - this.#options.startAtMs;
  }

  #task(id: string): ArrivingTask {
    const task = this.#tasks.get(id);
    if (task === undefined) throw new Error(`There is no task "${id}".`);
    return task;
  }

  #toolFault(taskId: string, tool: string): ReturnType<typeof smallToolFault> {
    return this.#options.hasSmallFaults ? smallToolFault(this.#options.plan.seed, this.#nextCall(`${taskId}/${tool}`)) : null;
  }

  #nextCall(what: string): string {
    const attempt = (this.#attempts.get(what) ?? 0) + 1;
    this.#attempts.set(what, attempt);
    return `${what}/${attempt}`;
  }

  #faultOf(request: SimulatedRequest): Fault | undefined {
    const window = this.#options.plan.windows.find(({ fromMs, untilMs }) => fromMs <= this.#nowMs && this.#nowMs < untilMs);
    if (window !== undefined) return faultOfWindow(window);
    if (!this.#options.hasSmallFaults) return undefined;
    const { taskId, next } = readConversation(request);
    const fault = smallModelFault(this.#options.plan.seed, this.#nextCall(`${taskId}/ask for ${next}`));
    if (fault === "broken-arguments") this.#broken.add(request);
    switch (fault) {
      case "cut":
        return { kind: "cut", afterEvents: 3 };
      case "empty":
        return { kind: "empty" };
      case "no-message":
        return { kind: "status", status: 200, body: { error: "upstream connect error" } };
      case "overloaded":
        return { kind: "status", status: 529 };
      case "silence":
        return { kind: "hang" };
      case "keep-alive":
        return { kind: "keepAlive", ms: keepAliveMs };
      case "broken-arguments":
      case null:
        return undefined;
    }
  }

  readonly #answer: Script = async (request, { random }) => {
    await sleep(this.#options.clock, Math.round(modelMsMin + (modelMsMax - modelMsMin) * random.next()));
    const reply = answerTo(request);
    const [part] = reply.parts;
    return this.#broken.has(request) && part?.type === "tool-call" ? { ...reply, parts: [{ ...part, argumentsText: JSON.stringify(part.input).slice(0, -6) }] } : reply;
  };
}

function faultOfWindow(window: Window): Fault {
  switch (window.kind) {
    case "outage":
      return { kind: "status", status: 503 };
    case "storm":
      return { kind: "status", status: 429, retryAfter: String(window.retryAfterSeconds) };
    case "silence":
      return { kind: "hang" };
    case "keep-alive":
      return { kind: "keepAlive", ms: keepAliveMs };
  }
}

/** A model with no ideas of its own: it reads the fact, delivers it, answers with the receipt; what failed it asks for again. */
function answerTo(request: SimulatedRequest): SimulatedReply {
  const { taskId, next, fact, receipt } = readConversation(request);
  if (next === "read") return replyToolCall("read_fact", { task: taskId });
  if (next === "deliver") return replyToolCall("deliver", { task: taskId, value: fact });
  return request.tools.some(({ name }) => name === answerTool) ? replyToolCall(answerTool, { receipt }) : replyText(`Delivered: ${receipt}.`);
}

interface Conversation {
  readonly taskId: string;
  readonly next: "read" | "deliver" | "answer";
  readonly fact: string | null;
  readonly receipt: string | null;
}

function readConversation(request: SimulatedRequest): Conversation {
  const [, taskId = ""] = /(task-\d+)/.exec(request.messages.flatMap(({ parts }) => parts.flatMap((part) => (part.type === "text" ? [part.text] : []))).join("\n") || lastUserTextOf(request)) ?? [];
  const results = toolResultsOf(request).filter(({ isError }) => !isError);
  const find = (tool: string, pattern: RegExp): string | null => results.flatMap(({ name, text }) => (name === tool ? (pattern.exec(text)?.[0] ?? []) : []))[0] ?? null;
  const fact = find("read_fact", /fact \d+/);
  const receipt = find("deliver", /receipt-\d+/);
  return { taskId, fact, receipt, next: fact === null ? "read" : receipt === null ? "deliver" : "answer" };
}
