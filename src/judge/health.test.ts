import { describe, expect, it } from "vitest";
import { describeHealth, type HealthVerdict } from "../record/health.ts";
import { computeHealth, startWithinMs } from "./health.ts";
import { type AgentExpectation, type AgentObservation, expectationDefaults } from "./observation.ts";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const t0 = Date.UTC(2026, 0, 1);
const expectation: AgentExpectation = { ...expectationDefaults, progressWithinMs: 2 * hour };

const idle: AgentObservation = {
  agent: "research", observedSinceMs: t0, firesSinceMs: t0 - hour, progressSinceMs: t0, queued: 0, oldestQueuedAtMs: null, running: [], waiting: [], paused: false, lastProgressAtMs: null,
  progressCount: 0, doneSinceProgress: 0, deadSinceProgress: 0, firstEndSinceProgressAtMs: null, lastEndedAtMs: null, consecutiveDead: 0,
  lastDeadReason: null, degraded: null, schedules: [], slotsFree: 1,
};

/** The verdict `afterMs` after the start of the team. */
function judge(changes: Partial<AgentObservation>, afterMs: number, expected: Partial<AgentExpectation> = {}): HealthVerdict {
  return computeHealth({ ...idle, ...changes }, { ...expectation, ...expected }, t0 + afterMs);
}

/** What it is called just before and just after the instant at which a threshold is passed. */
function around(changes: Partial<AgentObservation>, thresholdMs: number, expected: Partial<AgentExpectation> = {}): readonly string[] {
  return [thresholdMs, thresholdMs + 1].map((afterMs) => describeHealth(judge(changes, afterMs, expected).health));
}

function runningSince(startedMs: number, activityMs = startedMs) {
  return { taskId: "t_1", startedAtMs: t0 + startedMs, openSinceMs: t0 + startedMs, lastActivityAtMs: t0 + activityMs };
}

describe("an agent without trouble", () => {
  it("is idle without work, for ever", () => {
    const verdict = judge({ progressCount: 4, lastProgressAtMs: t0 - hour }, 1000 * hour);

    expect(verdict).toEqual({ agent: "research", health: { state: "idle" }, bad: false, degraded: null, evidence: "No work; 4 accomplished so far.", atMs: t0 + 1000 * hour, reviewAtMs: null });
  });

  it("is working while it runs, or is about to", () => {
    expect(judge({ running: [runningSince(0)] }, minute).evidence).toBe("1 running, 0 queued, 0 accomplished so far.");
    expect(describeHealth(judge({ queued: 2, oldestQueuedAtMs: t0 }, second).health)).toBe("working");
  });

  it("is waiting, told by the wait for something before one for a timer", () => {
    const waiting = [
      { taskId: "t_1", reason: "timer", sinceMs: t0 - hour, openSinceMs: t0 - hour },
      { taskId: "t_2", reason: "retry", sinceMs: t0 + minute, openSinceMs: t0 + minute },
      { taskId: "t_3", reason: "human", sinceMs: t0, openSinceMs: t0 },
    ] as const;

    expect(judge({ waiting }, 2 * minute)).toMatchObject({ health: { state: "waiting", reason: "human" }, bad: false, evidence: "3 tasks waiting(human), the longest for 2 min." });
    expect(judge({ waiting: waiting.slice(0, 1) }, 1000 * hour)).toMatchObject({ health: { state: "waiting", reason: "timer" }, bad: false, reviewAtMs: null });
  });

  it("is paused, and an old queue, slow work or time without progress are no fault of it", () => {
    const changes = { paused: true, queued: 3, oldestQueuedAtMs: t0, doneSinceProgress: 1, firstEndSinceProgressAtMs: t0 + second, lastEndedAtMs: t0 + second } as const;

    expect(judge(changes, 3 * hour)).toMatchObject({ health: { state: "paused" }, bad: false, evidence: "Paused; 0 running, 3 queued, 0 waiting." });
  });
});

describe("down", () => {
  // paperclipai/paperclip#6390: ten days of identical failures with no alarm.
  it("is an agent whose last tasks all died", () => {
    expect(judge({ consecutiveDead: 2, lastDeadReason: "failed" }, second).bad).toBe(false);
    expect(judge({ consecutiveDead: 3, lastDeadReason: "rejected" }, second)).toMatchObject({
      health: { state: "down" }, bad: true, reviewAtMs: null, evidence: "3 tasks in a row died, the last one of rejected; 3 in a row are the limit.",
    });
    expect(judge({ consecutiveDead: 1 }, second, { consecutiveDeadMax: 1 }).evidence).toBe("1 task in a row died; 1 in a row are the limit.");
  });
});

describe("down, of an account that the provider refuses", () => {
  it("is told with the first task that could not be undone, since what it did stands", () => {
    expect(judge({ consecutiveDead: 1, lastDeadReason: "compensation-failed" }, second)).toMatchObject({ health: { state: "down" }, bad: true, evidence: expect.stringContaining("longhaul restart c_") as string });
    expect(judge({ consecutiveDead: 0, lastDeadReason: "compensation-failed" }, second).bad).toBe(false);
  });

  it.each(["auth", "billing"] as const)("is told with the first task that dies of %s, since all later ones will", (lastDeadReason) => {
    expect(judge({ consecutiveDead: 1, lastDeadReason }, second)).toMatchObject({
      health: { state: "down" }, bad: true, evidence: `The last task died of ${lastDeadReason}: the provider takes no call of this account, and every task dies until that is mended.`,
    });
    expect(judge({ consecutiveDead: 0, lastDeadReason }, second).bad).toBe(false);
  });
});

describe("missed", () => {
  const schedule = { triggerId: "every(15m)", nextAtMs: t0 + 15 * minute, intervalMs: 15 * minute, lastReceiptAtMs: t0 };

  // openclaw#141633: 31 of 33 automations silently stop; #7588: nextWake null.
  it("is an agent whose firing is one interval late, although it is idle", () => {
    expect(judge({ schedules: [schedule] }, minute)).toMatchObject({ health: { state: "idle" }, reviewAtMs: t0 + 30 * minute + 1 });
    expect(around({ schedules: [schedule] }, 30 * minute)).toEqual(["idle", "missed"]);
    expect(judge({ schedules: [schedule] }, 31 * minute)).toMatchObject({ bad: true, evidence: "every(15m) should have fired 16 min ago and left no receipt; it fires every 15 min." });
  });

  // openclaw#148874: a deferred or skipped firing is no missed one.
  it("is not one whose firing left a receipt, whatever its result", () => {
    expect(judge({ schedules: [{ ...schedule, lastReceiptAtMs: t0 + 15 * minute }] }, 10 * hour)).toMatchObject({ bad: false, reviewAtMs: null });
  });

  it("is one that never had a receipt", () => {
    expect(around({ schedules: [{ ...schedule, lastReceiptAtMs: null }] }, 30 * minute)).toEqual(["idle", "missed"]);
  });

  it("does not count the time in which the team was down", () => {
    const afterWeekend = { ...schedule, nextAtMs: t0 - 48 * hour, lastReceiptAtMs: t0 - 49 * hour };

    expect(around({ schedules: [afterWeekend] }, 15 * minute)).toEqual(["idle", "missed"]);
  });

  it("gives what fell due before schedules could fire the time to be made up", () => {
    const overdue = { observedSinceMs: t0 - hour, firesSinceMs: t0, schedules: [{ ...schedule, nextAtMs: t0 - 48 * second, intervalMs: 20 * second, lastReceiptAtMs: null }] };

    expect(around(overdue, 25 * second)).toEqual(["idle", "missed"]);
  });

  it("forgives short intervals a hiccup of 2 s, but never more than three intervals", () => {
    const every = (intervalMs: number) => ({ schedules: [{ ...schedule, nextAtMs: t0, intervalMs, lastReceiptAtMs: null }] });

    expect(around(every(second), 2 * second)).toEqual(["idle", "missed"]);
    expect(around(every(100), 300)).toEqual(["idle", "missed"]);
  });
});

describe("stalled", () => {
  // vercel/ai#11576: a turn frozen for 25 to 109 minutes.
  it("is an agent whose running task shows no activity", () => {
    expect(around({ running: [runningSince(0, minute)] }, 12 * minute)).toEqual(["working", "stalled"]);
    expect(judge({ running: [runningSince(0, minute)] }, 13 * minute).evidence).toBe("Task t_1 has been silent for 12 min; a step shows activity within 11 min.");
    expect(around({ running: [runningSince(0)], paused: true }, 11 * minute)).toEqual(["paused", "stalled"]);
  });

  it("gives a run that was recovered at the start its whole time again", () => {
    expect(around({ running: [runningSince(-5 * hour)] }, 11 * minute)).toEqual(["working", "stalled"]);
  });

  // hatchet#3823: assigns no tasks after days of use. deer-flow#2227: pending for 39 h.
  it("is an agent that has a free slot and a queue, and starts nothing", () => {
    const changes = { queued: 4, oldestQueuedAtMs: t0 + second };

    expect(around(changes, startWithinMs + second)).toEqual(["working", "stalled"]);
    expect(judge(changes, 2 * minute).evidence).toBe("4 tasks queued, 1 slot free, and nothing started for 1 min 59 s; a free slot takes a task within 1 min.");
    expect(judge({ ...changes, slotsFree: 0 }, 2 * minute).bad).toBe(false);
  });

  it("is not one that works through a long queue: any start, end or wait is a sign of life", () => {
    const queue = { queued: 9, oldestQueuedAtMs: t0 };

    expect(around({ ...queue, lastEndedAtMs: t0 + minute }, 2 * minute)).toEqual(["working", "stalled"]);
    expect(around({ ...queue, running: [runningSince(minute)] }, 2 * minute)).toEqual(["working", "stalled"]);
    expect(around({ ...queue, waiting: [{ taskId: "t_1", reason: "human", sinceMs: t0 + minute, openSinceMs: t0 + minute }] }, 2 * minute)).toEqual(["working", "stalled"]);
  });

  // eltmon/overdeck#1615: wedged, $49 spent, still classified healthy.
  it("is an agent that is active but has brought nothing to an end", () => {
    const busy = { running: [runningSince(0, 2 * hour)], deadSinceProgress: 1 };

    expect(around(busy, 2 * hour)).toEqual(["working", "stalled"]);
    expect(judge(busy, 2 * hour + minute).evidence).toBe("1 running, 0 queued, 1 died, none done, and no progress for 2 h 1 min; progress is expected within 2 h.");
  });

  it("counts from the beginning of the work, not from a progress of long ago", () => {
    const quiet = { observedSinceMs: t0 - 100 * hour, progressSinceMs: t0 - 100 * hour, lastProgressAtMs: t0 - 50 * hour };

    expect(around({ ...quiet, running: [runningSince(0, 2 * hour)] }, 2 * hour)).toEqual(["working", "stalled"]);
    expect(around({ ...quiet, queued: 1, oldestQueuedAtMs: t0 - hour, slotsFree: 0 }, hour)).toEqual(["working", "stalled"]);
  });
});

describe("hollow", () => {
  const hollow = { doneSinceProgress: 5, firstEndSinceProgressAtMs: t0 + 5 * second, lastEndedAtMs: t0 + 25 * second, lastProgressAtMs: t0 };

  // paperclipai/paperclip#5462: agent alive, runs succeeded, zero work for 16 h.
  it("is an agent whose runs succeed while nothing is accomplished, from the first instant after its interval", () => {
    expect(around(hollow, 10 * second, { progressWithinMs: 10 * second })).toEqual(["idle", "hollow"]);
    expect(judge(hollow, 32 * second, { progressWithinMs: 10 * second })).toMatchObject({
      bad: true, reviewAtMs: null, evidence: "5 runs succeeded since the last progress 32 s ago; progress is expected within 10 s.",
    });
  });

  it("may have accomplished nothing ever, and counts from the start of the team then", () => {
    const never = { ...hollow, doneSinceProgress: 1, lastProgressAtMs: null };

    expect(around(never, 2 * hour)).toEqual(["idle", "hollow"]);
    expect(judge(never, 3 * hour).evidence).toBe("1 run succeeded since the start 3 h ago, without progress; progress is expected within 2 h.");
  });

  it("is not one that did nothing at all", () => {
    expect(judge({ lastProgressAtMs: t0 }, 1000 * hour)).toMatchObject({ health: { state: "idle" }, bad: false });
  });

  it("does not take the first task after a quiet night for an empty interval", () => {
    const morning = { doneSinceProgress: 1, lastProgressAtMs: t0, firstEndSinceProgressAtMs: t0 + 10 * hour, lastEndedAtMs: t0 + 10 * hour };

    expect(around(morning, 12 * hour)).toEqual(["idle", "hollow"]);
    expect(around({ ...morning, firstEndSinceProgressAtMs: t0 + hour }, 2 * hour)).toEqual(["idle", "hollow"]);
    expect(around({ ...morning, firstEndSinceProgressAtMs: null }, 2 * hour)).toEqual(["idle", "hollow"]);
  });

  it("stays hollow under a pause only by what ended before it", () => {
    expect(describeHealth(judge({ ...hollow, paused: true, lastEndedAtMs: t0 + 3 * hour }, 4 * hour).health)).toBe("hollow");
    expect(describeHealth(judge({ ...hollow, paused: true, lastEndedAtMs: null }, 4 * hour).health)).toBe("paused");
  });
});

describe("stuck-waiting", () => {
  it("is an agent whose wait outlasts its interval, named by the wait that did so first", () => {
    const waiting = [
      { taskId: "t_1", reason: "timer", sinceMs: t0, openSinceMs: t0 },
      { taskId: "t_2", reason: "budget", sinceMs: t0 + minute, openSinceMs: t0 + minute },
      { taskId: "t_3", reason: "breaker", sinceMs: t0, openSinceMs: t0 },
    ] as const;

    expect(around({ waiting }, 2 * hour)).toEqual(["waiting(breaker)", "stuck-waiting(breaker)"]);
    expect(judge({ waiting }, 9 * hour)).toMatchObject({ health: { reason: "breaker" }, bad: true, reviewAtMs: null, evidence: "Task t_3 has waited for breaker for 9 h; a wait may last 2 h." });
  });

  // SCENARIOS, the nearest open peer #6390: ten days of identical failures with no alarm.
  it("takes waits between vain tries for one wait, and a try between them for no progress", () => {
    const wait = { waiting: [{ taskId: "t_1", reason: "retry" as const, sinceMs: t0 + 100 * minute, openSinceMs: t0 }] };
    const attempt = { running: [{ taskId: "t_1", startedAtMs: t0 + 119 * minute, openSinceMs: t0, lastActivityAtMs: t0 + 119 * minute }] };

    expect(around(wait, 2 * hour)).toEqual(["waiting(retry)", "stuck-waiting(retry)"]);
    expect(around(attempt, 2 * hour)).toEqual(["working", "stalled"]);
  });

  it("does not blame a task that goes on for the time that it waited for people", () => {
    const goesOn = { running: [{ taskId: "t_1", startedAtMs: t0 + 5 * hour, openSinceMs: t0 + 5 * hour, lastActivityAtMs: t0 + 7 * hour }] };

    expect(around(goesOn, 7 * hour)).toEqual(["working", "stalled"]);
  });

  it("counts the downtime of the team only for waits that end outside of it", () => {
    const sinceFriday = (reason: "human" | "retry") => ({ waiting: [{ taskId: "t_1", reason, sinceMs: t0 - 48 * hour, openSinceMs: t0 - 48 * hour }] });

    expect(describeHealth(judge(sinceFriday("human"), second).health)).toBe("stuck-waiting(human)");
    expect(around(sinceFriday("retry"), 2 * hour)).toEqual(["waiting(retry)", "stuck-waiting(retry)"]);
  });

  it("names a forgotten pause", () => {
    expect(around({ paused: true, waiting: [{ taskId: "t_1", reason: "paused", sinceMs: t0, openSinceMs: t0 }] }, 2 * hour)).toEqual(["paused", "stuck-waiting(paused)"]);
  });
});

describe("precedence", () => {
  it("names the worst of what holds", () => {
    const all: AgentObservation = {
      ...idle,
      consecutiveDead: 3,
      schedules: [{ triggerId: "every(1m)", nextAtMs: t0, intervalMs: minute, lastReceiptAtMs: null }],
      running: [runningSince(0)],
      waiting: [{ taskId: "t_2", reason: "human", sinceMs: t0, openSinceMs: t0 }],
      doneSinceProgress: 1, firstEndSinceProgressAtMs: t0 + second, lastEndedAtMs: t0 + 9 * hour,
      paused: true,
    };
    const cures: readonly Partial<AgentObservation>[] = [{ consecutiveDead: 0 }, { schedules: [] }, { running: [] }, { doneSinceProgress: 0 }, { waiting: [] }, { paused: false }];

    let observation = all;
    const names = [{}, ...cures].map((cure) => {
      observation = { ...observation, ...cure };
      return describeHealth(judge(observation, 12 * hour).health);
    });

    expect(names).toEqual(["down", "missed", "stalled", "hollow", "stuck-waiting(human)", "paused", "idle"]);
  });
});
