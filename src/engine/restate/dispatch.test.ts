import { afterEach, beforeEach, expect, it } from "vitest";
import { sleep, systemClock } from "../../base/clock.ts";
import { VirtualClock } from "../../base/virtual-clock.ts";
import { until } from "../engine-fixture.testsuite.ts";
import { Dispatch } from "./dispatch.ts";
import { freePort } from "../../base/fixture/free-port.ts";
import { queryRestate, sharedRestate } from "./fixture/restate-server.ts";
import { RestateClient } from "./restate-client.ts";
import { RestateEndpoint } from "./restate-endpoint.ts";
import type { RestateHandler } from "./restate-services.ts";
import { serviceNames } from "./service-names.ts";

/** As long as Restate has to answer. */
const answerMs = 30_000;
let teams = 0;
let team: string;
let port: number;
let endpoint: RestateEndpoint | null;
let claims = 0;
beforeEach(async () => {
  team = `dispatch${process.pid}x${++teams}`;
  port = await freePort();
  claims = 0;
  await open();
  await new RestateClient(await sharedRestate(), systemClock).register(`http://127.0.0.1:${port}`, team);
});
afterEach(() => close());

const handler: RestateHandler = {
  claim: async () => {
    claims++;
    return [];
  },
  activate: async () => undefined, take: async () => undefined, suspended: async () => undefined, mismatched: async () => undefined, noted: async () => undefined,
};

async function open(): Promise<void> {
  endpoint = await RestateEndpoint.open({ team, handler, host: "127.0.0.1", port, recallMsMax: 100, silentMsMax: 20_000 });
}

async function close(): Promise<void> {
  await endpoint?.close();
  endpoint = null;
}

/** Calls for slots that Restate has and that are not over. */
async function queued(): Promise<number> {
  const query = `SELECT id FROM sys_invocation WHERE target_service_name = '${serviceNames(team).slots}' AND status <> 'completed'`;
  return (await queryRestate((await sharedRestate()).admin, query)).length;
}

it("while Restate finds no worker it leaves few calls there, however often it asks, and slots are given when a worker is back", async () => {
  const clock = new VirtualClock();
  const dispatch = new Dispatch(new RestateClient(await sharedRestate(), clock), team);

  for (let outage = 0; outage < 2; outage++) {
    await close();
    for (let asked = 0; asked < 6; asked++) {
      dispatch.ask(["a"]);
      await sleep(systemClock, 200);
      expect(dispatch.isIdle).toBe(false);
      await clock.advance(answerMs);
      await until(() => dispatch.isIdle, "it is given up");
    }

    expect(await queued()).toBeLessThanOrEqual(2);

    await open();
    await until(async () => (await queued()) === 0, "what was left is done");
    // What waited had looked before it was asked again: each question has a look that begins after it.
    for (let asked = 0; asked < 3; asked++) {
      const before = claims;
      dispatch.ask(["a"]);
      await until(() => dispatch.isIdle, "it is answered");
      expect(claims).toBeGreaterThan(before);
    }
  }
});
