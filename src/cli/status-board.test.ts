import { expect, it } from "vitest";
import { type RecordFields, toLogRecord } from "../record/log-record.ts";
import { StatusBoard } from "./status-board.ts";

const noon = Date.UTC(2026, 0, 15, 12);
const record = (fields: RecordFields, atMs = noon) => toLogRecord("x", atMs, "team", fields);
const task = (id: string, agent: string, result: string) => record({ event_type: "task", task_id: id, agent_id: agent, result });
const newBoard = () => new StatusBoard({ agents: ["scout", "editor"], openTasks: [], tokensToday: 100, costMicroUsdToday: 5_000, isSimulated: false, nowMs: noon });

it("follows tasks from queue to end", () => {
  const board = newBoard();
  for (const result of ["queued", "running"]) board.apply(task("t_1", "scout", result));
  board.apply(task("t_2", "editor", "waiting(budget)"));
  board.apply(task("t_3", "editor", "queued"));

  expect(board.status()).toMatchObject({ running: 1, queued: 1, waiting: 1 });
  expect(board.status().agents).toEqual([
    { name: "scout", state: "working", isBad: false, running: 1 },
    { name: "editor", state: "waiting(budget)", isBad: false, running: 0 },
  ]);

  for (const [id, agent, result] of [["t_1", "scout", "done(verified)"], ["t_2", "editor", "canceled"], ["t_3", "editor", "dead(failed)"]] as const) board.apply(task(id, agent, result));
  expect(board.status()).toMatchObject({ running: 0, queued: 0, waiting: 0, agents: [{ state: "idle" }, { state: "idle" }] });
});

it("begins with the tasks that were open before it", () => {
  const board = new StatusBoard({ agents: ["scout"], openTasks: [{ id: "t_0", agent: "scout", status: "queued", waitingReason: null }], tokensToday: 0, costMicroUsdToday: 0, isSimulated: false, nowMs: noon });

  expect(board.status()).toMatchObject({ queued: 1, agents: [{ state: "queued" }] });
});

it("adds up tokens and cost of the UTC day and begins anew with the next", () => {
  const board = newBoard();
  const call: RecordFields = { event_type: "model_call", agent_id: "scout", tokens_used: 50, cost_micro_usd: 1_000, simulated: true };

  board.apply(record(call));
  expect(board.status()).toMatchObject({ tokensToday: 150, costMicroUsdToday: 6_000, isSimulated: true });

  board.apply(record(call, noon + 86_400_000));
  expect(board.status()).toMatchObject({ tokensToday: 50, costMicroUsdToday: 1_000 });
});

it("says of money that was spent before it that it was simulated", () => {
  const board = new StatusBoard({ agents: ["scout"], openTasks: [], tokensToday: 100, costMicroUsdToday: 5_000, isSimulated: true, nowMs: noon });

  expect(board.status().isSimulated).toBe(true);
});

it("names what a bad verdict names, whatever the tasks look like", () => {
  const board = newBoard();
  board.apply(record({ event_type: "health", agent_id: "scout", result: "hollow", data: { bad: true } }));

  expect(board.status().agents[0]).toEqual({ name: "scout", state: "hollow", isBad: true, running: 0 });

  board.apply(record({ event_type: "health", agent_id: "scout", result: "idle", data: { bad: false } }));
  expect(board.status().agents[0]).toMatchObject({ state: "idle", isBad: false });
});

it("says of an agent that it is degraded, beside what it does", () => {
  const board = newBoard();
  board.apply(task("t_1", "scout", "running"));
  const health = (degraded: string | null) => record({ event_type: "health", agent_id: "scout", result: "working", data: { bad: false, degraded } });

  board.apply(health("openai/b answered in the place of anthropic/a: 503"));
  expect(board.status().agents[0]).toMatchObject({ state: "working, degraded", isBad: false });
  board.apply(health(null));
  expect(board.status().agents[0]).toMatchObject({ state: "working" });
});
