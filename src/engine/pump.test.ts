import { expect, it } from "vitest";
import { macrotask } from "../base/turn.ts";
import { Pump, type Completion } from "./pump.ts";

const completion: Completion = { key: "code/one/1", step: { kind: "code", name: "one", occurrence: 1, number: 1, attempt: 1, startedAtMs: 0, completedAtMs: 0, outcome: { ok: true, value: null } } };

it("lets durable code go on by itself for two turns of the event loop before it counts as being at rest", async () => {
  const log: string[] = [];
  let isAsked = true;
  const pump: Pump = new Pump({
    turn: () => true,
    rest: () => log.push("rest"),
    deliver() {
      if (!isAsked) return false;
      isAsked = false;
      // A promise of the code's own that is over in two turns: reading a stream that is there already.
      void macrotask().then(macrotask).then(() => {
        log.push("asked again");
        isAsked = true;
        pump.poke();
      });
      return true;
    },
  });
  pump.add(completion);
  pump.add(completion);

  for (let turn = 0; turn < 30; turn++) await macrotask();

  expect(log.slice(0, 3)).toEqual(["asked again", "asked again", "rest"]);
  expect(pump.deliveredCount).toBe(2);
});

it("stops while something is under way, and goes on when that pokes it", async () => {
  const log: string[] = [];
  let isUnderWay = true;
  const pump = new Pump({
    turn: () => true,
    isUnderWay: () => isUnderWay,
    rest: () => log.push("rest"),
    deliver: () => log.push("delivered") > 0,
  });
  pump.poke();
  for (let turn = 0; turn < 10; turn++) await macrotask();
  expect({ isActive: pump.isActive, log }).toEqual({ isActive: false, log: [] });

  isUnderWay = false;
  pump.add(completion);
  for (let turn = 0; turn < 10; turn++) await macrotask();
  expect(log).toEqual(["delivered", "rest"]);
});
