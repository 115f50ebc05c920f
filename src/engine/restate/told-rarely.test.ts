import { afterAll, expect, it, vi } from "vitest";
import { sleep, systemClock } from "../../base/clock.ts";
import { VirtualClock } from "../../base/virtual-clock.ts";
import { agentA, done, newTask } from "../engine-fixture.testsuite.ts";
import { restateSuite, type RestateFixture } from "./restate-fixture.testsuite.ts";
import { toldRarely } from "./told-rarely.ts";

const suite = restateSuite();
afterAll(() => suite.destroy());

it("tells each fault once a minute, by its message", async () => {
  const clock = new VirtualClock();
  const told: string[] = [];
  const tell = toldRarely(clock, (error) => told.push(String(error)));

  for (const fault of ["one", "other", "one", "other"]) tell(fault);
  await clock.advance(59_999, () => Promise.resolve());
  tell("one");
  expect(told).toEqual(["one", "other"]);

  await clock.advance(1, () => Promise.resolve());
  for (const fault of ["one", "one"]) tell(fault);
  expect(told).toEqual(["one", "other", "one"]);
});

it("people are told once a minute of a task that cannot be ended, however often that is tried", async () => {
  const fixture = (await suite.create()) as RestateFixture;
  const { engine, clock, observer, faults } = fixture;
  const seconds = async (count: number): Promise<void> => {
    for (let second = 0; second < count; second++) {
      await clock.advance(1_000, () => Promise.resolve());
      await sleep(systemClock, 30);
      await vi.waitFor(() => expect(engine.isStill()).toBe(true), 10_000);
    }
  };
  await engine.run([agentA], async () => done(null));
  await observer.exec(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'this row cannot be written'; END $$;
    CREATE TRIGGER refuse BEFORE UPDATE ON lh_task FOR EACH ROW EXECUTE FUNCTION refuse()`);
  await engine.start(newTask(fixture, { agent: "nobody", deadlineAtMs: clock.now() + 1_000 }));

  await seconds(6);
  expect(faults).toMatchObject([{ message: "this row cannot be written" }]);
  await seconds(60);
  expect(faults).toHaveLength(2);
});
