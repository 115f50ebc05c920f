import { expect, it } from "vitest";
import { type Blow, computeResumption, type Sight } from "./resumption.ts";

const blow: Blow = { fault: "SIGTERM", atMs: 10_000, worker: "w1", backAtMs: 12_000, isAwayForAll: false };
/** A run that worker w1 executed when it was hit, and what was seen of it then. */
const sight = ({ beats = [], rests = [], endedAtMs = 60_000 }: Partial<Sight> & { readonly endedAtMs?: number }): Sight => ({
  beats: [{ worker: "w1", runId: "r", atMs: 9_900 }, ...beats],
  rests,
  tasks: [{ agent: "a", runId: "r", createdAtMs: 0, startedAtMs: 0, endedAtMs }],
});
const slowestMs = (seen: Parameters<typeof sight>[0]): number => computeResumption(blow, sight(seen)).slowestMs;

it("a run has gone on when its code shows life elsewhere, when it ends, or when it waits for something of its own", () => {
  expect(slowestMs({ beats: [{ worker: "w2", runId: "r", atMs: 14_000 }] })).toBe(4_000);
  expect(slowestMs({ endedAtMs: 13_000 })).toBe(3_000);
  expect(slowestMs({ rests: [{ runId: "r", atMs: 12_000, wokenAtMs: null }] })).toBe(2_000);
});

it("a run that waited and was woken while the blow lasts has to go on from there: in line nobody executes it", () => {
  expect(slowestMs({ rests: [{ runId: "r", atMs: 10_200, wokenAtMs: 11_000 }], beats: [{ worker: "w2", runId: "r", atMs: 25_000 }] })).toBe(14_000);
  expect(slowestMs({ rests: [{ runId: "r", atMs: 10_200, wokenAtMs: 11_000 }], beats: [{ worker: "w2", runId: "r", atMs: 10_900 }] })).toBe(200);
  expect(slowestMs({ rests: [{ runId: "r", atMs: 10_200, wokenAtMs: 30_000 }], beats: [{ worker: "w2", runId: "r", atMs: 31_000 }] })).toBe(200);
});
