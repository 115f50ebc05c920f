import { consoleNotifier, defineAgent, defineTeam, every } from "longhaul";
import { expect, onTestFinished, test } from "vitest";
import { seededRandom } from "../../src/base/random.ts";
import { VirtualClock } from "../../src/base/virtual-clock.ts";
import { openLiveTeam, type LiveTeam } from "../../src/runtime/live-team.ts";
import { openDiskTeam, temporaryDirectory } from "../fixture/disk-team.ts";

test("a team whose runs take long to recover is not told to have missed what it could not fire yet", async () => {
  const directory = temporaryDirectory();
  onTestFinished(directory.remove);
  const clock = new VirtualClock();
  const ticker = defineAgent({ name: "ticker", run: async () => null, triggers: [every("20s")] });
  const team = defineTeam({ name: "t", agents: [ticker], notify: [consoleNotifier()] });
  const first = await openDiskTeam(team, { directory: directory.path, clock });
  await first.advance(30_000);
  await first.close();
  await clock.advance(60_000);

  const printed: string[] = [];
  const live: LiveTeam = await openLiveTeam({ team, dataDirectory: directory.path, clock, random: seededRandom(2), environment: () => undefined, print: (line) => void printed.push(line) });
  onTestFinished(() => live.close());
  // Between the opening and the first firing.
  await clock.advance(45_000);
  await live.start();
  expect(await live.health()).toMatchObject([{ bad: false }]);
  await clock.advance(1);
  await expect.poll(() => live.records.query({ eventTypes: ["trigger"] })).toHaveLength(2);

  expect((await live.records.query({ eventTypes: ["health"] })).map(({ record }) => record.result)).not.toContain("missed");
  expect(printed.join("\n")).not.toContain("missed");
});
