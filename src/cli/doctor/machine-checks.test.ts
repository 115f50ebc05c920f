import { expect, it } from "vitest";
import { machineFacts, type MachineFacts } from "../../base/machine.ts";
import { checkMachine } from "./machine-checks.ts";

const nowMs = Date.UTC(2026, 10, 26, 12);
const sound: MachineFacts = { nodeVersion: "24.1.0", platform: "linux x64", availableMemoryBytes: 4e9, memoryLimitBytes: 8e9, heapLimitBytes: 4e9, openFilesMax: 65_536, bootedAtMs: nowMs - 1_000 };
const badly = (changes: Partial<MachineFacts>, atMs = nowMs) => checkMachine({ ...sound, ...changes }, atMs).filter(({ status }) => status !== "ok").map(({ name, status, next }) => `${name} ${status} ${next}`);

it("finds nothing wrong with a sound machine, nor with this one's Node", () => {
  expect(badly({})).toEqual([]);
  expect(badly({ openFilesMax: null, memoryLimitBytes: null })).toEqual([]);
  expect(checkMachine(machineFacts(nowMs), nowMs).find(({ name }) => name === "node")?.status).toBe("ok");
});

it.each<[string, Partial<MachineFacts>, string]>([
  ["an old Node", { nodeVersion: "22.9.0" }, "node fail Install Node 24 or newer."],
  ["little memory", { availableMemoryBytes: 1e8 }, "memory warn End other programs, or give the machine more memory: a team that runs out of it loses the steps under way."],
  ["a heap that the container does not have", { memoryLimitBytes: 1_073_741_824 }, "memory warn The container is killed before the heap is full. Start the team with NODE_OPTIONS=--max-old-space-size=768"],
  ["few files", { openFilesMax: 256 }, "open files warn Raise it before the team is started: ulimit -n 4096"],
])("names %s", (_, changes, expected) => {
  expect(badly(changes)).toEqual([expected]);
});

it("names a clock that was never set", () => {
  expect(badly({}, Date.UTC(1970, 0, 2))).toEqual(["clock fail Set the clock: schedules, budgets and time limits go by it."]);
});
