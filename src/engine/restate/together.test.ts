import { expect, it } from "vitest";
import { sleep } from "../../base/clock.ts";
import { macrotask } from "../../base/turn.ts";
import { VirtualClock } from "../../base/virtual-clock.ts";
import type { Change } from "./change.ts";
import { Together } from "./together.ts";

const change = {} as Change;
const clock = new VirtualClock(0);

it("does in one transaction what is asked for while another one is under way", async () => {
  const batches: (readonly number[])[] = [];
  const together = new Together<number, number>((work) => work(change), clock, {
    async together(_, items) {
      batches.push(items);
      await macrotask();
      return new Map(items.map((item) => [item, item * 2]));
    },
    alone: () => Promise.reject(new Error("nobody is alone")),
  });

  const first = [1, 2, 3].map((item) => together.do(item));
  await macrotask();
  const second = [4, 5].map((item) => together.do(item));

  expect(await Promise.all([...first, ...second])).toEqual([2, 4, 6, 8, 10]);
  expect(batches).toEqual([[1, 2, 3], [4, 5]]);
});

it("does by itself what was left, and all when one of them failed", async () => {
  const alone: number[] = [];
  const together = new Together<number, string>((work) => work(change), clock, {
    async together(_, items) {
      if (items.includes(13)) throw new Error("thirteen");
      return await Promise.resolve(new Map(items.filter((item) => item % 2 === 0).map((item) => [item, "together"])));
    },
    async alone(item) {
      alone.push(item);
      if (item === 13) throw new Error("thirteen");
      return await Promise.resolve("alone");
    },
  });

  expect(await Promise.all([1, 2].map((item) => together.do(item)))).toEqual(["alone", "together"]);
  expect(await Promise.allSettled([12, 13].map((item) => together.do(item)))).toEqual([{ status: "fulfilled", value: "alone" }, { status: "rejected", reason: new Error("thirteen") }]);
  expect(alone).toEqual([1, 12, 13]);
});

it("tells all of what would fail each by itself too, in place of trying it once more", async () => {
  const away = new Error("nobody answers");
  const together = new Together<number, number>(() => Promise.reject(away), clock, {
    together: () => Promise.reject(away),
    alone: () => Promise.reject(new Error("nobody is alone")),
    isForAll: (error) => error === away,
  });

  expect(await Promise.allSettled([1, 2].map((item) => together.do(item)))).toEqual([{ status: "rejected", reason: away }, { status: "rejected", reason: away }]);
});

it("does not keep the next ones for longer than a second", async () => {
  const begun: number[] = [];
  const together = new Together<number, number>((work) => work(change), clock, {
    async together(_, items) {
      begun.push(...items);
      if (items.includes(1)) await sleep(clock, 60_000);
      return new Map(items.map((item) => [item, item]));
    },
    alone: (item) => Promise.resolve(item),
  });
  const slow = together.do(1);
  await macrotask();
  const next = together.do(2);
  await macrotask();
  expect(begun).toEqual([1]);

  await clock.advance(1_000, macrotask);

  expect(await next).toBe(2);
  await clock.advance(60_000, macrotask);
  expect(await slow).toBe(1);
});
