import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json } from "../base/json.ts";
import type { HealthState, HealthVerdict } from "../record/health.ts";
import { type AlertOptions, type AlertState, computeAlerts, noAlerts, type NotificationDraft, parseAlertState } from "./alert.ts";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const t0 = Date.UTC(2026, 0, 1);

function verdict(state: "idle" | "hollow" | "down" | "missed", agent = "research"): HealthVerdict {
  const bad = state !== "idle";
  return { agent, health: { state }, bad, degraded: null, evidence: bad ? "5 runs succeeded since the last progress 32 s ago; progress is expected within 10 s." : "No work; 3 accomplished so far.", atMs: t0, reviewAtMs: null };
}

/** Judges one agent at instants of a story; the state goes through JSON in between, as it does over a restart. */
function tell(story: readonly (readonly [afterMs: number, state: Parameters<typeof verdict>[0] | "gone", blind?: string])[], options: AlertOptions = {}) {
  let state: AlertState = noAlerts;
  const told: NotificationDraft[] = [];
  for (const [afterMs, health, blind = null] of story) {
    const verdicts = health === "gone" ? [] : [verdict(health)];
    const { next, notifications } = computeAlerts(state, verdicts, t0 + afterMs, { ...options, blind });
    told.push(...notifications);
    state = parseAlertState(JSON.parse(JSON.stringify(next)) as Json);
    expect(state).toEqual(next);
  }
  return { state, told, titles: told.map(({ atMs, severity, title }) => `${(atMs - t0) / second} s ${severity}: ${title}`) };
}

describe("computeAlerts", () => {
  it("says nothing of agents that are well, and keeps nothing", () => {
    expect(tell([[0, "idle"], [hour, "idle"]])).toEqual({ state: noAlerts, told: [], titles: [] });
  });

  it("gives back the very state that it was given while there is nothing new to keep, so that nobody writes it again", () => {
    const { next } = computeAlerts(noAlerts, [verdict("hollow")], t0);

    expect(computeAlerts(noAlerts, [verdict("idle")], t0).next).toBe(noAlerts);
    expect(computeAlerts(next, [verdict("hollow")], t0 + minute).next).toBe(next);
    expect(computeAlerts(next, [], t0 + minute, { blind: "slow disk" }).next).not.toBe(next);
    expect(computeAlerts(next, [verdict("down")], t0 + minute).next).not.toBe(next);
  });

  it("tells of a bad agent at once: what is wrong, the evidence, and what to type next", () => {
    expect(tell([[0, "hollow"]]).told).toEqual([
      {
        atMs: t0, agent: "research", severity: "critical", title: "research is hollow",
        text: "5 runs succeeded since the last progress 32 s ago; progress is expected within 10 s.\nNext: `longhaul health` or `longhaul logs --agent research`.",
        data: { health: "hollow", evidence: "5 runs succeeded since the last progress 32 s ago; progress is expected within 10 s.", badSinceMs: t0, suppressed: 0 },
      },
    ]);
  });

  it("warns of an agent whose work is degraded, once, and says when it is no longer so", () => {
    const degraded: HealthVerdict = { ...verdict("idle"), degraded: "openai/b answered in the place of anthropic/a: 503" };
    const first = computeAlerts(noAlerts, [degraded], t0);
    const second = computeAlerts(first.next, [degraded], t0 + minute);
    const third = computeAlerts(second.next, [verdict("idle")], t0 + hour);

    expect(first.notifications).toMatchObject([{ severity: "warning", title: "research is degraded" }]);
    expect(second.notifications).toEqual([]);
    expect(third.notifications).toMatchObject([{ severity: "resolved", title: "research is no longer degraded" }]);
  });

  it.each(["unknown-effect", "human"] as const)("names the wait of a stuck agent, and the command that ends it: %s", (reason) => {
    const health: HealthState = { state: "stuck-waiting", reason };
    const { notifications } = computeAlerts(noAlerts, [{ ...verdict("down"), health }], t0);

    expect(notifications[0]?.title).toBe(`research is stuck-waiting(${reason})`);
    expect(notifications[0]?.text).toContain("`longhaul approve`");
  });

  it("tells again when the condition changes, and its end once", () => {
    expect(tell([[0, "hollow"], [2 * minute, "hollow"], [5 * minute, "down"], [9 * minute, "idle"], [10 * minute, "idle"]]).titles).toEqual([
      "0 s critical: research is hollow",
      "300 s critical: research is down",
      "540 s resolved: research is no longer down",
    ]);
  });

  it("tells again every 4 h while nothing changes, with how long it has lasted", () => {
    const story = Array.from({ length: 9 * 60 + 1 }, (_, index) => [index * minute, "hollow"] as const);
    const { titles, told } = tell(story);

    expect(titles).toEqual(["0 s critical: research is hollow", "14400 s critical: research is still hollow", "28800 s critical: research is still hollow"]);
    expect(told[2]?.text).toContain("It has been so for 8 h.");
    expect(tell(story, { renotifyMs: hour }).titles).toHaveLength(10);
  });

  it("says for how long it was bad when it is over", () => {
    expect(tell([[0, "hollow"], [90 * minute, "idle"]]).told[1]).toMatchObject({
      severity: "resolved", text: "It is idle now. No work; 3 accomplished so far.\nIt was bad for 1 h 30 min.", data: { badMs: 90 * minute },
    });
  });

  it("does not tell the same again after a restart", () => {
    const { state } = tell([[0, "hollow"]]);

    expect(computeAlerts(parseAlertState(JSON.parse(JSON.stringify(state)) as Json), [verdict("hollow")], t0 + minute).notifications).toEqual([]);
  });

  it("tells a flapping agent at most once a minute, with the number that was held back", () => {
    const story = Array.from({ length: 13 }, (_, index) => [index * 5 * second, index % 2 === 0 ? "hollow" : "idle"] as const);
    const { titles, told, state } = tell(story);

    expect(titles).toEqual(["0 s critical: research is hollow", "5 s resolved: research is no longer hollow", "60 s critical: research is hollow"]);
    expect(told[2]?.text).toContain("5 more alerts were held back");
    expect(told[2]?.data).toMatchObject({ suppressed: 5 });
    expect(state.agents["research"]).toMatchObject({ suppressed: 0 });
  });

  it("tells what it held back as soon as the minute is over, when it still holds", () => {
    const { titles, told } = tell([[0, "hollow"], [10 * second, "down"], [20 * second, "down"], [61 * second, "down"]]);

    expect(titles).toEqual(["0 s critical: research is hollow", "61 s critical: research is down"]);
    expect(told[1]?.text).not.toContain("held back");
  });

  it("says of one held-back alert that it was one", () => {
    expect(tell([[0, "hollow"], [1, "idle"], [2, "hollow"], [3, "idle"], [hour, "hollow"]]).told.at(-1)?.text).toContain("1 more alert was held back");
  });

  it("is not silenced by a clock that is set back", () => {
    expect(tell([[0, "hollow"], [-24 * hour, "down"]]).titles).toHaveLength(2);
  });

  it("tells the end of an agent that the team no longer has", () => {
    const { titles, state } = tell([[0, "hollow"], [hour, "gone"], [2 * hour, "gone"]]);

    expect(titles).toEqual(["0 s critical: research is hollow", "3600 s resolved: research is no longer hollow"]);
    expect(state).toEqual(noAlerts);
  });

  it("tells that the watchdog cannot judge, concludes nothing about agents meanwhile, and tells when it can again", () => {
    const { titles, told } = tell([[0, "hollow"], [minute, "gone", "The watchdog cannot judge: disk I/O error"], [2 * minute, "gone", "another cause"], [5 * hour, "gone", "another cause"], [6 * hour, "idle"]]);

    expect(titles).toEqual([
      "0 s critical: research is hollow",
      "60 s critical: watchdog cannot judge",
      "18000 s critical: watchdog still cannot judge",
      "21600 s resolved: watchdog can judge again",
      "21600 s resolved: research is no longer hollow",
    ]);
    expect(told[1]).toMatchObject({ agent: null, text: expect.stringContaining("disk I/O error") });
  });

  it("keeps agents apart", () => {
    const first = computeAlerts(noAlerts, [verdict("hollow", "scout"), verdict("idle")], t0);
    const second = computeAlerts(first.next, [verdict("hollow", "scout"), verdict("down")], t0 + 1);

    expect([...first.notifications, ...second.notifications].map(({ title }) => title)).toEqual(["scout is hollow", "research is down"]);
  });

  it("never fires twice within a minute and never resolves what it did not fire, for any history", () => {
    const moment = fc.tuple(fc.integer({ min: 1, max: 40 * second }), fc.constantFrom("idle", "hollow", "down", "missed"));
    fc.assert(
      fc.property(fc.array(moment, { maxLength: 60 }), (moments) => {
        let afterMs = 0;
        const { told, state } = tell(moments.map(([delayMs, health]) => [(afterMs += delayMs), health] as const));
        const fired = told.filter(({ severity }) => severity === "critical");
        const resolved = told.filter(({ severity }) => severity === "resolved");

        for (const [index, { atMs }] of fired.entries()) expect(atMs - (fired[index - 1]?.atMs ?? Number.NEGATIVE_INFINITY)).toBeGreaterThanOrEqual(minute);
        expect(resolved.length).toBeLessThanOrEqual(fired.length);
        const unfounded = told.filter(({ severity }, index) => severity === "resolved" && told[index - 1]?.severity !== "critical");
        expect(unfounded).toEqual([]);
        expect(moments.at(-1)?.[1] === "idle" && (state.agents["research"]?.firing ?? null) !== null).toBe(false);
      }),
      { seed: 45, numRuns: 500 },
    );
  });
});

describe("parseAlertState", () => {
  it("keeps fields of a later version, and takes what it cannot read for never told", () => {
    expect(parseAlertState(null)).toEqual(noAlerts);
    expect(parseAlertState({ agents: { research: 5 }, watchdog: { firing: 1, suppressed: "x", seen: 2, badSinceMs: "", lastFiredAtMs: "" }, later: "kept" })).toEqual({
      ...noAlerts, agents: { research: noAlerts.watchdog }, later: "kept",
    });
  });
});
