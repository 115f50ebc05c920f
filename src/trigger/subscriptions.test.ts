import { describe, expect, it } from "vitest";
import { z } from "zod";
import { VirtualClock } from "../base/virtual-clock.ts";
import type { LogRecord } from "../record/log-record.ts";
import { every, on } from "../agent/trigger-definition.ts";
import { listRegistrations } from "./registration.ts";
import { createSubscriptions, type EventTasks, type Subscriptions } from "./subscriptions.ts";
import { agentWith, minute } from "./trigger-world.testsuite.ts";

function subscribe(clock: VirtualClock, ...agents: readonly ReturnType<typeof agentWith>[]): Subscriptions {
  let ids = 0;
  return createSubscriptions({ clock, team: "team", taskId: () => `task_${++ids}`, registrations: listRegistrations(agents) });
}

function recordsOf({ receipts }: EventTasks): readonly LogRecord[] {
  return receipts.flatMap((write) => (write.type === "record" ? [write.record] : []));
}

describe("an event", () => {
  it("makes a task for each subscription, mapped, with a key of the publication", async () => {
    const subscriptions = subscribe(new VirtualClock(), agentWith("research", on("lead.found", { input: (event) => ({ company: event["company"] }) })), agentWith("audit", on("lead.found"), on("lead.lost"), every("1h")));
    const { tasks, receipts } = await subscriptions.tasksFor("lead.found", { company: "Acme" }, "run_1/publish/1");
    expect(tasks).toEqual([
      { id: "task_1", agent: "research", input: { company: "Acme" }, key: "event:run_1/publish/1:research/on:lead.found", source: "trigger research/on:lead.found" },
      { id: "task_2", agent: "audit", input: { company: "Acme" }, key: "event:run_1/publish/1:audit/on:lead.found", source: "trigger audit/on:lead.found" },
    ]);
    expect(receipts).toHaveLength(2);
    expect(recordsOf({ tasks, receipts })[0]).toMatchObject({ event_type: "trigger", agent_id: "research", task_id: "task_1", result: "ran", data: { triggerId: "research/on:lead.found", event: "lead.found" } });
  });

  it("makes nothing when nobody subscribed", async () => {
    expect(await subscribe(new VirtualClock(), agentWith("research", on("lead.found"))).tasksFor("lead.lost", {}, "p")).toEqual({ tasks: [], receipts: [] });
  });

  it("is checked and converted by the schema of the subscription", async () => {
    const schema = z.object({ score: z.coerce.number() });
    const subscriptions = subscribe(new VirtualClock(), agentWith("research", on("lead.scored", { schema, input: ({ score }) => ({ score: score + 1 }) })));
    expect((await subscriptions.tasksFor("lead.scored", { score: "41" }, "p1")).tasks[0]?.input).toEqual({ score: 42 });
    const refused = await subscriptions.tasksFor("lead.scored", { score: "many" }, "p2");
    expect(refused.tasks).toEqual([]);
    expect(recordsOf(refused)).toEqual([expect.objectContaining({ result: "skipped(invalid-event)", task_id: null, data: expect.objectContaining({ issues: [expect.stringContaining("score")] }) })]);
  });

  it("reaches the others when one mapping throws, which leaves a receipt and an error record", async () => {
    const broken = on("lead.found", {
      input: () => {
        throw new Error("no company");
      },
    });
    const end = await subscribe(new VirtualClock(), agentWith("broken", broken), agentWith("audit", on("lead.found"))).tasksFor("lead.found", {}, "p");
    expect(end.tasks.map(({ agent }) => agent)).toEqual(["audit"]);
    expect(recordsOf(end).map(({ event_type, agent_id, result }) => [event_type, agent_id, result])).toEqual([
      ["trigger", "broken", "skipped(error: no company)"],
      ["error", "broken", "error"],
      ["trigger", "audit", "ran"],
    ]);
  });

  it("does not wait longer than 60 s for a mapping", async () => {
    const clock = new VirtualClock();
    const hanging = on("lead.found", { input: () => new Promise(() => undefined) as unknown });
    const end = subscribe(clock, agentWith("slow", hanging)).tasksFor("lead.found", {}, "p");
    await clock.advance(minute);
    expect(recordsOf(await end)[0]?.result).toMatch(/took longer than 60 s/);
  });

  it("published again under the same id has the same keys and record ids", async () => {
    const subscriptions = subscribe(new VirtualClock(), agentWith("research", on("lead.found")));
    const [first, second] = [await subscriptions.tasksFor("lead.found", {}, "p"), await subscriptions.tasksFor("lead.found", {}, "p")];
    expect(second.tasks.map(({ key }) => key)).toEqual(first.tasks.map(({ key }) => key));
    expect(recordsOf(second).map(({ id }) => id)).toEqual(recordsOf(first).map(({ id }) => id));
  });
});
