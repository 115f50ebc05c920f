import type { LonghaulError } from "../base/error.ts";
import type { ChildEnd, EngineContext, HeldChild } from "../engine/engine.ts";

/**
 * Ends a run beside its code. Code, and the AI SDK, would take an error for that of a call: they hide it behind one of their own, or go on and ask again, and what is refused without
 * a step holds them up by nothing.
 */
export interface RunEnding {
  /** Rejects with what ended the run. */
  readonly ended: Promise<never>;
  /** Ends the run. Never settles: code stays where it asked. */
  end(error: LonghaulError): Promise<never>;
}

export function createRunEnding(): RunEnding {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  return {
    ended: promise,
    end(error) {
      reject(error);
      return new Promise(() => undefined);
    },
  };
}

/** The engine as code sees it, until its run is over for it: what it asks for afterwards, from a branch that nobody awaits any more, is not begun. */
export function fenceable(engine: EngineContext): { readonly engine: EngineContext; readonly fence: () => void } {
  let isFenced = false;
  const unlessFenced = <T>(ask: () => Promise<T>): Promise<T> => (isFenced ? new Promise(() => undefined) : ask());
  return {
    fence: () => void (isFenced = true),
    engine: {
      task: engine.task,
      runId: engine.runId,
      unwinding: engine.unwinding,
      get signal() {
        return engine.signal;
      },
      now: () => engine.now(),
      random: () => engine.random(),
      step: (spec, body) => unlessFenced(() => engine.step(spec, body)),
      transaction: (spec, body) => unlessFenced(() => engine.transaction(spec, body)),
      wait: (spec) => unlessFenced(() => engine.wait(spec)),
      child: ((spec, task, gate) => unlessFenced<ChildEnd | HeldChild>(() => (gate === undefined ? engine.child(spec, task) : engine.child(spec, task, gate)))) as EngineContext["child"],
    },
  };
}
