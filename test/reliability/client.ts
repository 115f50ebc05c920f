import { isLonghaulError } from "../../src/base/error.ts";
import type { Json } from "../../src/base/json.ts";
import type { Action, Scenario } from "./scenario.ts";
import type { Session } from "./session.ts";
import { eventsOf, type WorldEvent } from "./world.ts";

/** Between two tries of what was not acknowledged. */
const retryMs = 500;

/** Who uses the team and survives its crashes: repeats each action until it is acknowledged. */
export interface Client {
  /** Sets out to do what is not done yet, in a new life of the process. */
  attend(session: Session): void;
  /** True when everything was acknowledged. Drains are the story's. */
  isDone(): boolean;
}

export function createClient(actions: Scenario["actions"], storyAtMs: number, log: WorldEvent[]): Client {
  const resultOf = (action: string): Json | undefined => eventsOf(log, "acted").find((event) => event.action === action)?.result;
  const open = (): readonly Action[] => actions.filter(({ id }) => resultOf(id) === undefined);
  const perform = (session: Session, action: Action): void => {
    attempt(session, action, requestsBefore(actions, action).map(resultOf)).then(
      (result) => session.outside.note({ type: "acted", action: action.id, result, atMs: session.clock.now() }),
      () => {
        // Not acknowledged: the disk is full, the process is ending, or the task is not that far yet.
        if (!session.isDead) session.clock.setTimer(retryMs, () => perform(session, action));
      },
    );
  };
  return {
    attend(session) {
      for (const action of open()) {
        // A drain is the story's: here it only takes care that time stops for it.
        session.clock.setTimer(Math.max(0, storyAtMs + action.atMs - session.clock.now()), () => {
          if (action.type !== "drain") perform(session, action);
        });
      }
    },
    isDone: () => open().length === 0,
  };
}

/** What one client asks of one task it asks in order: it submits it, then cancels it, then has it restarted. */
function requestsBefore(actions: readonly Action[], action: Action): readonly string[] {
  if (!("of" in action)) return [];
  return actions.slice(0, actions.indexOf(action)).filter((earlier) => earlier.id === action.of || ("of" in earlier && earlier.of === action.of)).map(({ id }) => id);
}

async function attempt(session: Session, action: Action, before: readonly (Json | undefined)[]): Promise<Json> {
  const { operations } = session.live;
  if (action.type === "drain") throw new Error("a drain is the story's");
  if (action.type === "submit") {
    const { taskId, created } = await operations.submit({ agent: action.agent, input: action.input, key: action.key, source: "client" });
    return { taskId, created };
  }
  if (before.includes(undefined)) throw new Error("what comes before it was not acknowledged yet");
  const { taskId } = before[0] as { readonly taskId: string };
  switch (action.type) {
    case "cancel":
      return { done: await operations.cancel(taskId, "the story says so") };
    case "restart":
      return { taskId, done: await restarts(() => operations.restart(taskId)) };
    case "signal": {
      const runId = (await operations.task(taskId))?.runId;
      if (typeof runId !== "string") throw new Error(`${taskId} does not run yet`);
      return { runId, done: await operations.signal(runId, action.name, action.payload) };
    }
  }
}

/** A restart that is repeated because its acknowledgement was lost finds the task restarted. */
async function restarts(restart: () => Promise<unknown>): Promise<boolean> {
  try {
    await restart();
    return true;
  } catch (error) {
    if (isLonghaulError(error) && error.code === "TASK_STATE") return false;
    throw error;
  }
}

/** A human who looks at the other side and says what became of the calls that nobody knows the outcome of. Returns how many it decided. */
export async function decideUnknownEffects(session: Session): Promise<number> {
  const { live, outside } = session;
  const waiting = (await live.tasks.list({ statuses: ["waiting"], limit: 1_000 })).filter(({ waitingReason }) => waitingReason === "unknown-effect");
  for (const { runId } of waiting) {
    if (runId === null) continue;
    const records = (await live.records.query({ runId, eventTypes: ["approval"], limit: 1_000 })).map(({ record }) => record);
    const answered = new Set(records.filter(({ result }) => result === "answered").map(({ data }) => data["signal"]));
    for (const { data } of records.filter(({ result, data: { signal } }) => result === "asked" && !answered.has(signal))) {
      const key = String(data["key"]);
      const decision = outside.hasHappened(key) ? "happened" : "retry";
      if (!outside.isDecided(key)) outside.note({ type: "decided", key, decision });
      // A run may wait for several calls. Refused by a full disk, it is decided again.
      await live.operations.approve(runId, decision, decision === "happened" ? { did: "what the human saw" } : null, { call: String(data["signal"]).replace("longhaul:effect:", "") }).catch(() => 0);
    }
  }
  return waiting.length;
}
