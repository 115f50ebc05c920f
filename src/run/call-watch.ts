import { isJsonObject } from "../base/json.ts";
import { findRepetition, loopLimits, type Repetition, type SeenTurn } from "../policy/loop-watch.ts";
import type { ToolCallPart, ToolResultPart } from "../record/message.ts";
import { deadError } from "./dead-error.ts";
import { describeRounds, resultSignature, signatureOf } from "./repeat-guard.ts";
import { placeOf, recordWrite } from "./run-record.ts";
import type { RunScope } from "./run-services.ts";

/** Turns that are looked back on. */
const turnsMax = loopLimits.cycleMax * loopLimits.endAt;

/** Calls that were made beside one another, between two answers of a model. */
interface Turn extends SeenTurn {
  /** What came of each call. */
  readonly parts: ReadonlyMap<string, string>;
}

interface OpenTurn {
  readonly at: number;
  readonly asked: Set<string>;
  readonly parts: Map<string, string>;
  running: number;
}

interface Expected extends Repetition {
  readonly before: Turn | null;
}

/** Where code calls a tool: one that asks a model says by its messages. */
export interface CallPlace {
  /** Which conversation with a model: those of a run that each make the same call do not repeat themselves. Empty where no model asked. */
  readonly conversation: string;
  /** Its turn. */
  readonly turn: number;
}

/**
 * Sees durable code whose calls of `ctx.tools` repeat themselves, as `RepeatGuard` sees an agent's own model: a record at the third round, an error in place of the call from the fifth on,
 * the end of the run at the eighth. Each conversation is watched by itself. Calls between which code waits (`ctx.sleep`, `ctx.waitFor`) repeat on purpose.
 * What it decides depends on what code was told, so that a replay decides the same.
 */
class CallWatch {
  readonly #scope: RunScope;
  #turns: readonly Turn[] = [];
  #open: OpenTurn | null = null;

  constructor(scope: RunScope) {
    this.#scope = scope;
  }

  /** Makes a call, or says why it was not made. Never settles when the run ends by it. */
  async make(call: ToolCallPart, at: number, make: () => Promise<ToolResultPart>): Promise<ToolResultPart> {
    const called = signatureOf([{ toolName: call.toolName, input: call.input }]);
    const turn = this.#join(called, at);
    const expected = this.#expect(turn);
    if (expected.rounds >= loopLimits.endAt) return await this.#stop(call, expected);
    const known = expected.rounds >= loopLimits.blockAt ? (expected.before?.parts.get(called) ?? null) : null;
    if (known !== null) {
      const text = `Not made: the same was asked for by ${describeRounds(expected)}, and it led to the same result each time that it was made. Do something else, or give your answer with what you have.`;
      await this.#refuse(call, text);
      await this.#leave(turn, called, known, call, "blocked");
      return { type: "tool-result", callId: call.callId, toolName: call.toolName, isError: true, value: text };
    }
    let came = "nothing";
    try {
      const result = await make();
      came = resultSignature([result]);
      return result;
    } finally {
      await this.#leave(turn, called, came, call, "warned");
    }
  }

  /** The turn that a call belongs to: that of the calls that have not ended, unless the model was asked since. */
  #join(called: string, at: number): OpenTurn {
    const turn = this.#open?.at === at ? this.#open : { at, asked: new Set<string>(), parts: new Map<string, string>(), running: 0 };
    this.#open = turn;
    turn.asked.add(called);
    turn.running++;
    return turn;
  }

  async #leave(turn: OpenTurn, called: string, came: string, call: ToolCallPart, what: "warned" | "blocked"): Promise<void> {
    turn.parts.set(called, came);
    if (--turn.running > 0) return;
    if (this.#open === turn) this.#open = null;
    const calls = [...turn.parts.keys()].toSorted();
    const results = calls.map((sign) => turn.parts.get(sign) ?? "");
    this.#turns = [...this.#turns, { calls: calls.join(), results: results.join(), parts: turn.parts }].slice(-turnsMax);
    await this.#tell(call, findRepetition(this.#turns), what);
  }

  /** What would be the next round if the calls of the open turn were those of the turn that came before in its place. */
  #expect({ asked }: OpenTurn): Expected {
    let found: Expected = { rounds: 1, period: 1, isWhole: true, before: null };
    for (let period = 1; period <= loopLimits.cycleMax; period++) {
      const before = this.#turns.at(-period);
      if (before === undefined || ![...asked].every((sign) => before.parts.has(sign))) continue;
      const repetition = findRepetition([...this.#turns, before]);
      if (repetition.period === period && repetition.rounds > found.rounds) found = { ...repetition, before };
    }
    return found;
  }

  #stop({ toolName }: ToolCallPart, expected: Expected): Promise<never> {
    const { rounds, period } = expected;
    const message = `${this.#scope.worker.name} is in a loop: its code asked for ${describeRounds(expected)}, the last time for ${toolName}, and the result was the same each time that they were made. Look at the run with \`longhaul show ${this.#scope.engine.task.id}\`; calls that repeat on purpose have a ctx.sleep between them.`;
    return this.#scope.ending.end(deadError("looping", message, { tools: [toolName], rounds, period }));
  }

  /** As a step, so that calls that were made beside this one are known by then, as they are of calls that are made. */
  async #refuse({ callId, toolName, input }: ToolCallPart, reason: string): Promise<void> {
    await this.#scope.engine.step({ kind: "code", name: "tool/not-made" }, async (execution) => {
      const tool_args = isJsonObject(input) ? input : { input };
      const record = recordWrite(this.#scope, placeOf(execution), { event_type: "tool_call", tool_name: toolName, tool_args, result: "error", reason, data: { callId } });
      return { outcome: { ok: true, value: null }, writes: [record] };
    });
  }

  /** One record for each step of the ladder: at the end of the round that reaches it. */
  async #tell({ toolName }: ToolCallPart, repetition: Repetition, what: "warned" | "blocked"): Promise<void> {
    const { rounds, period, isWhole } = repetition;
    if (!isWhole || rounds !== (what === "warned" ? loopLimits.warnAt : loopLimits.blockAt)) return;
    await this.#scope.engine.step({ kind: "code", name: "tool/looping" }, async (execution) => {
      const data = { tools: [toolName], rounds, period };
      const record = recordWrite(this.#scope, placeOf(execution), { event_type: "decision", result: "looping", reason: `${what}: its code asked for ${describeRounds(repetition)}, with the same result`, data });
      return { outcome: { ok: true, value: null }, writes: [record] };
    });
  }
}

const watches = new WeakMap<RunScope, Map<string, CallWatch>>();

/** Makes a call of `ctx.tools`, all of which a run makes by this. */
export function watchCall(scope: RunScope, call: ToolCallPart, { conversation, turn }: CallPlace, make: () => Promise<ToolResultPart>): Promise<ToolResultPart> {
  const ofRun = watches.get(scope) ?? new Map<string, CallWatch>();
  const watch = ofRun.get(conversation) ?? new CallWatch(scope);
  watches.set(scope, ofRun.set(conversation, watch));
  return watch.make(call, turn, make);
}

/** The run waits: what it calls afterwards it calls again on purpose. */
export function forgetCalls(scope: RunScope): void {
  watches.delete(scope);
}
