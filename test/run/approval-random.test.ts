import { defineAgent, defineTeam } from "longhaul";
import { scriptedModel } from "longhaul/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { seededRandom } from "../../src/base/random.ts";
import { approvalsOf, createPayingWorld, pay, type PayingWorld, type Waiting } from "../fixture/paying-team.ts";

let world: PayingWorld;
beforeEach(() => {
  world = createPayingWorld();
});
afterEach(() => world.close());

const turns = 3;
/** In each turn three calls at once: two that are equal, under ids that come again in each turn, and one that is new. */
const callsOf = (turn: number) => [pay("c1", 1), pay("c2", 1), pay("c3", 100 + turn)];

test.each(Array.from({ length: 6 }, (_, index) => index + 1))("whatever people, crashes and time do, no call is made without a word of its own: seed %i", async (seed) => {
  const random = seededRandom(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random.next() * items.length)] as T;
  const effect = pick(["once", "idempotent"] as const);
  const model = scriptedModel(({ messages }) => {
    const turn = messages.filter(({ role }) => role === "tool").length;
    return turn < turns ? { toolCalls: callsOf(turn) } : "done";
  });
  const definition = defineTeam({ name: "t", agents: [defineAgent({ name: "clerk", model: "anthropic/test", instructions: "Pay.", tools: [world.tool({ effect, approvalWithin: "1h" })] })] });
  let { team }: Waiting = await world.start(definition, model);
  const [task] = await team.live.tasks.list({});
  const taskId = task?.id ?? "";
  const runId = task?.runId ?? "";
  let allows = 0;
  /** What became of a second answer to a question that was answered just now. */
  const seconds: string[] = [];

  for (let act = 0; act < 200 && (await team.task(taskId)).end === null; act++) {
    const open = await team.live.operations.questions();
    const chance = random.next();
    if (chance < 0.12) {
      team = await world.crash(team);
    } else if (chance < 0.2) {
      await team.advance(1_800_000);
    } else if (open.length > 0) {
      const { kind, call } = pick(open);
      world.hangs = random.next() < 0.2 ? 1 : 0;
      const decision = kind === "permission" ? pick(["allow", "allow", "deny"] as const) : pick(["happened", "retry", "fail"] as const);
      if (decision === "allow") allows++;
      await team.live.operations.approve(runId, decision, null, { call });
      seconds.push(await team.live.operations.approve(runId, "allow", null, { call }).then(() => "taken", () => "refused"));
    } else {
      await team.advance(61_000); // A call that hangs runs into its time limit.
    }
    await team.settle();
  }

  const records = await approvalsOf(team);
  const asked = records.filter(({ result, data }) => result === "asked" && data["argumentsHash"] !== undefined);
  const answers = records.filter(({ result }) => ["allowed", "denied", "expired"].includes(result ?? ""));
  expect(await team.task(taskId)).toMatchObject({ status: "done" });
  expect(answers.filter(({ result }) => result === "allowed"), "each word was taken once").toHaveLength(allows);
  expect(answers, "each question has one answer").toHaveLength(asked.length);
  expect(new Set(answers.map(({ data }) => data["signal"]))).toEqual(new Set(asked.map(({ data }) => data["signal"])));
  expect(seconds.filter((end) => end !== "refused")).toEqual([]);
  // A key is of one call, however often it is tried.
  const keyOf = new Map(asked.map(({ data }) => [data["signal"], data["key"]]));
  const allowedKeys = new Set(answers.filter(({ result }) => result === "allowed").map(({ data }) => keyOf.get(data["signal"])));
  expect([...new Set(world.keys)].filter((key) => !allowedKeys.has(key)), "made without permission").toEqual([]);
  const retries = records.filter(({ result, reason }) => result === "answered" && reason === "retry").length;
  expect(world.paid.length, "a once call is made again by a person's word only").toBeLessThanOrEqual(effect === "once" ? allowedKeys.size + retries : Number.POSITIVE_INFINITY);
});
