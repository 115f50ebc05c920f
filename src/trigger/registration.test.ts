import { describe, expect, it } from "vitest";
import { cron, every, on, poll } from "../agent/trigger-definition.ts";
import { listRegistrations } from "./registration.ts";
import { agentWith } from "./trigger-world.testsuite.ts";

const polling = poll("5m", { poll: async () => ({ items: [] }), key: String, input: () => null });
const idsOf = (...agents: readonly ReturnType<typeof agentWith>[]): readonly string[] => listRegistrations(agents).map(({ triggerId }) => triggerId);

describe("listRegistrations", () => {
  it("names a trigger by its agent, kind and schedule", () => {
    expect(idsOf(agentWith("a", every("15m"), cron("0  9 * * *"), cron("0 9 * * *", { timezone: "Europe/Berlin" }), polling, on("lead.found")))).toEqual([
      "a/every:15m", "a/cron:0 9 * * *", "a/cron:0 9 * * * Europe/Berlin", "a/poll:5m", "a/on:lead.found",
    ]);
  });

  it("gives equal intervals equal names, however they are written", () => {
    expect(idsOf(agentWith("a", every("60m")), agentWith("b", every(3_600_000)), agentWith("c", every("90s")), agentWith("d", every(1500)))).toEqual(["a/every:1h", "b/every:1h", "c/every:90s", "d/every:1500ms"]);
  });

  it("numbers equal triggers of one agent, whatever the other agents have", () => {
    expect(idsOf(agentWith("a", every("15m")), agentWith("b", every("15m"), every("15m"), on("x"), every("900s")))).toEqual(["a/every:15m", "b/every:15m", "b/every:15m#2", "b/on:x", "b/every:15m#3"]);
  });
});
