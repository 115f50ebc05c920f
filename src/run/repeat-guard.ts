import { canonicalJson, hashOf, type Json } from "../base/json.ts";
import { expectRepetition, findRepetition, loopLimits, type Repetition, type SeenTurn } from "../policy/loop-watch.ts";
import type { ToolCallPart, ToolResultPart } from "../record/message.ts";
import { deadError } from "./dead-error.ts";
import { placeOf, recordWrite } from "./run-record.ts";
import type { RunScope } from "./run-services.ts";

/** Turns that are looked back on. */
const turnsMax = loopLimits.cycleMax * loopLimits.endAt;

/**
 * Sees a model that makes the same calls with the same results over and over: it is told, then its calls are not made any more, then the run ends.
 * What it decides depends on what the journal holds alone, so that a replay decides the same.
 */
export class RepeatGuard {
  readonly #scope: RunScope;
  #turns: readonly SeenTurn[] = [];

  constructor(scope: RunScope) {
    this.#scope = scope;
  }

  /** Makes the calls of a turn, or tells the model why they were not made. @throws {TASK_DEAD} looping. */
  async make(turn: number, calls: readonly ToolCallPart[], make: () => Promise<readonly ToolResultPart[]>): Promise<readonly ToolResultPart[]> {
    const called = signatureOf(calls.map(({ toolName, input }) => ({ toolName, input })));
    const expected = expectRepetition(this.#turns, called);
    if (expected.rounds >= loopLimits.endAt) throw deadError("looping", this.#endOf(calls, expected), { tools: calls.map(({ toolName }) => toolName), rounds: expected.rounds, period: expected.period });
    if (expected.rounds >= loopLimits.blockAt && expected.results !== null) {
      this.#see({ calls: called, results: expected.results });
      await this.#tell(turn, calls, expected, "blocked");
      const text = `Not made: you asked for ${describeRounds(expected)}, and they led to the same result each time that they were made. Do something else, or give your answer with what you have.`;
      return calls.map(({ callId, toolName }) => ({ type: "tool-result", callId, toolName, isError: true, value: text }));
    }
    const results = await make();
    this.#see({ calls: called, results: resultSignature(results) });
    const repetition = findRepetition(this.#turns);
    if (repetition.rounds < loopLimits.warnAt) return results;
    await this.#tell(turn, calls, repetition, "warned");
    const note = `You have asked for ${describeRounds(repetition)}, with the same result. Do something else, or give your answer with what you have.`;
    return results.map((result) => ({ ...result, value: typeof result.value === "string" ? `${result.value}\n\n${note}` : { result: result.value, note } }));
  }

  #see(turn: SeenTurn): void {
    this.#turns = [...this.#turns, turn].slice(-turnsMax);
  }

  /** One record for each step of the ladder: at the end of the round that reaches it. */
  async #tell(turn: number, calls: readonly ToolCallPart[], repetition: Repetition, what: "warned" | "blocked"): Promise<void> {
    if (!repetition.isWhole || repetition.rounds !== (what === "warned" ? loopLimits.warnAt : loopLimits.blockAt)) return;
    await this.#scope.engine.step({ kind: "code", name: `t${turn}/looping` }, async (execution) => {
      const data = { tools: calls.map(({ toolName }) => toolName), ...repetition };
      const record = recordWrite(this.#scope, placeOf(execution), { event_type: "decision", result: "looping", reason: `${what}: it asked for ${describeRounds(repetition)}, with the same result`, data });
      return { outcome: { ok: true, value: null }, writes: [record] };
    });
  }

  #endOf(calls: readonly ToolCallPart[], repetition: Repetition): string {
    const tools = [...new Set(calls.map(({ toolName }) => toolName))].join(", ");
    return `${this.#scope.worker.name} is in a loop: it asked for ${describeRounds(repetition)}, the last time for ${tools}, and the result was the same each time that they were made. Look at the run with \`longhaul show ${this.#scope.engine.task.id}\`; a clearer instruction, or a tool result that says what to do next, ends most loops.`;
  }
}

/** The same for the same parts, in whichever order they were made and their fields stand. */
export function signatureOf(parts: readonly Json[]): string {
  return hashOf(JSON.stringify(parts.map(canonicalJson).toSorted()));
}

/** What calls came to. */
export function resultSignature(results: readonly ToolResultPart[]): string {
  return signatureOf(results.map(({ isError, value }) => ({ isError, value: isError && typeof value === "string" ? withoutIds(value) : value })));
}

/** What a failure says may name a request, an instant or how long it took, which are new each time: long words with digits in them, times of day, milliseconds. Short numbers, such as "3 of 12", are what it gets on by. */
function withoutIds(text: string): string {
  return text.replaceAll(/\b(?=\w*\d)[\w:.+-]{8,}|\b\d{1,2}:\d\d:\d\d\b|\b\d[\d.,]*\s?ms\b/g, "#");
}

/** "the same calls 3 times in a row". */
export function describeRounds({ rounds, period }: Repetition): string {
  return period === 1 ? `the same calls ${rounds} times in a row` : `the same round of ${period} turns ${rounds} times`;
}
