import { expect, it } from "vitest";
import { countWorkers, type TeamWorker, toTeamWorkers } from "../runtime/team-workers.ts";
import { describeWorkers, workerTable } from "./worker-lines.ts";

const plain = { columns: null, style: (_style: unknown, text: string) => text };
const known = { position: 1, name: "a, pid 1", uri: "http://lb:9080", isAdvertised: true, trouble: null, isLive: true, seenAtMs: Date.UTC(2026, 0, 15), silentMs: 4_200 };
const worker = (fields: Partial<TeamWorker>): TeamWorker => ({ name: "a, pid 1", address: "http://lb:9080", state: "live", hasDuties: false, seenAt: "2026-01-15T00:00:00.000Z", silentMs: 4_200, trouble: null, ...fields });
const away = "Restate's ingress at http://r:8080 does not answer.";

it("says of each worker who it is, where, when it was seen, what it has", () => {
  const held = { type: "worker", holder: "a, pid 1", heldMs: 9_000 } as const;
  const two = [known, { ...known, name: "b, pid 2", isLive: false, silentMs: 720_000, trouble: away }];

  const workers = toTeamWorkers(two, held);

  expect(workers).toEqual([worker({ hasDuties: true }), worker({ name: "b, pid 2", state: "gone", silentMs: 720_000 })]);
  expect(workerTable(workers, plain)).toEqual([
    "worker    address               seen  duties  state",
    "a, pid 1  http://lb:9080   4.2 s ago  yes     live",
    "b, pid 2  http://lb:9080  12 min ago          gone",
  ]);
  expect(workerTable([worker({ trouble: away })], { ...plain, columns: 40 })[1], "a narrow terminal cuts nothing of it").toContain(away);
  expect(toTeamWorkers(two, { ...held, heldMs: -1 })[0], "its lease is over").toMatchObject({ hasDuties: false });
});

it("shows of many the one with the duties and those in trouble first, and how many more there are", () => {
  const many = [...Array.from({ length: 22 }, (_, n) => worker({ name: `w${n}` })), worker({ name: "troubled", trouble: away }), worker({ name: "holder", hasDuties: true }), ...Array.from({ length: 7 }, (_, n) => worker({ name: `g${n}`, state: "gone" }))];

  const lines = workerTable(many, plain);

  expect(lines.map((line) => line.split(" ")[0])).toEqual(["worker", "holder", "troubled", ...Array.from({ length: 18 }, (_, n) => `w${n}`), "g0", "g1", "g2", "g3", "g4", "and"]);
  expect(lines[2]).toMatch(/Restate's ingress at http:\/\/r:8080 does not answer\.$/);
  expect(lines.at(-1)).toBe("and 4 more live, 2 more gone: longhaul ps --json");
});

it("takes terminal controls out of what other processes wrote, and has no lines where there is no worker", () => {
  const odd = [worker({ name: "\u001B[2J", address: "\u001B[2J", trouble: "\u001B[2J" })];

  expect(`${workerTable(odd, plain).join("\n")}${describeWorkers(odd)}`).not.toContain("\u001B");
  expect(workerTable([], plain)).toEqual([]);
});

it.each([
  { workers: [], text: "No worker lives." },
  { workers: [worker({})], text: "1 worker lives." },
  { workers: [worker({}), worker({ name: "b", trouble: away })], text: `2 workers live. 1 of them does not reach Restate: b: ${away}` },
  { workers: [worker({}), worker({ name: "b", state: "gone", silentMs: 720_000 })], text: "1 worker lives. 1 is gone, last seen 12 min ago: b." },
  { workers: [worker({ name: "b", state: "gone", silentMs: 720_000 }), worker({ state: "gone" })], text: "No worker lives. 2 are gone, last seen 12 min ago: b; …" },
  { workers: ["a", "b", "c", "d"].map((name) => worker({ name, trouble: "No." })), text: "4 workers live. 4 of them do not reach Restate: a: No. b: No. c: No. And 1 more: longhaul ps" },
] as const)("counts them: $text", ({ workers, text }) => {
  expect(describeWorkers(workers)).toBe(text);
});

it("counts one that is gone among none of the troubled", () => {
  expect(countWorkers([worker({ trouble: away }), worker({ state: "gone" }), worker({})])).toEqual({ live: 2, gone: 1, troubled: [{ name: "a, pid 1", trouble: away }] });
});
