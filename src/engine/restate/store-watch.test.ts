import { expect, it } from "vitest";
import { VirtualClock } from "../../base/virtual-clock.ts";
import { StoreWatch } from "./store-watch.ts";

/** A watch over a server that answers when the test says so; what it told is a list of words. */
function watching() {
  const clock = new VirtualClock();
  const told: string[] = [];
  const server = { isThere: true, asked: 0, isPlaceTaken: false };
  const watch = new StoreWatch({
    clock,
    async ask() {
      server.asked++;
      if (!server.isThere) throw new Error("away");
    },
    onAway: (back) => {
      told.push("away");
      back.addEventListener("abort", () => told.push("over"));
    },
    async onBack() {
      if (server.isPlaceTaken) throw new Error("taken");
      told.push("back");
    },
    onFault: (error) => told.push(String(error)),
  });
  return { clock, told, server, watch };
}

it("asks nothing before something takes long, and tells nothing when there is an answer", async () => {
  const { clock, told, server, watch } = watching();
  await clock.advance(60_000);
  expect(server.asked).toBe(0);

  watch.delayed();
  await clock.advance(60_000);

  expect(server.asked).toBe(1);
  expect(told).toEqual([]);
  expect(watch.away.aborted).toBe(false);
});

it("bears with a server that is back within 2 s", async () => {
  const { clock, told, server, watch } = watching();
  server.isThere = false;
  watch.delayed();
  await clock.advance(1_400);
  server.isThere = true;
  await clock.advance(10_000);

  expect(told).toEqual([]);
});

it("tells of one that is away once, and that it is back when it is; whoever came meanwhile is turned away", async () => {
  const { clock, told, server, watch } = watching();
  server.isThere = false;
  for (let time = 0; time < 3; time++) watch.delayed();
  await clock.advance(2_000);
  expect(told).toEqual(["away"]);
  expect(watch.away.reason).toMatchObject({ code: "STORE_UNREACHABLE" });
  watch.delayed();
  await clock.advance(60_000);
  expect(told).toEqual(["away"]);

  server.isThere = true;
  await clock.advance(500);

  expect(told).toEqual(["away", "over", "back"]);
  expect(watch.away.aborted).toBe(false);
});

it("tries to be back until it is, and says why it is not", async () => {
  const { clock, told, server, watch } = watching();
  Object.assign(server, { isThere: false, isPlaceTaken: true });
  watch.delayed();
  await clock.advance(2_000);
  server.isThere = true;
  await clock.advance(600);
  server.isPlaceTaken = false;
  await clock.advance(1_000);

  expect(told[0]).toBe("away");
  expect(told.filter((word) => word === "Error: taken").length).toBeGreaterThan(0);
  expect(told.at(-1)).toBe("back");
});

it("looks no more when it is closed", async () => {
  const { clock, told, server, watch } = watching();
  server.isThere = false;
  watch.delayed();
  await clock.advance(5_000);
  watch.close();
  await clock.advance(5_000);
  const { asked } = server;
  watch.delayed();
  await clock.advance(60_000);

  expect(server.asked).toBe(asked);
  expect(told).toEqual(["away", "over"]);
});
