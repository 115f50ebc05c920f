import { describe, expect, it } from "vitest";
import { isJsonObject, type Json } from "../../src/base/json.ts";
import { simulate } from "../../src/lab/simulation/simulate.ts";
import type { SimulationResult } from "../../src/lab/simulation/simulation-message.ts";

const team = new URL("./fixture/ambient-team.ts", import.meta.url);
const day = 86_400_000;

const simulateAmbient = (seed = 1): Promise<SimulationResult> => simulate({ team, seed, horizon: "50d", keep: { eventTypes: ["task"], result: "done(unverified)" } });

/** What an agent returned. */
function outputOf({ kept }: SimulationResult, agent: string): Json {
  const { data } = kept.find((record) => record.agent_id === agent) ?? {};
  return isJsonObject(data) ? (data["output"] ?? null) : null;
}

describe("user code in a simulation", async () => {
  const result = await simulateAmbient();

  it("waits in virtual time, in whatever way it waits", () => {
    expect(outputOf(result, "waiter")).toEqual({
      setTimeout: 1_000,
      "imported setTimeout": 2_000,
      "promisified setTimeout": 3_000,
      "timers/promises": 4_000,
      "scheduler.wait": 5_000,
      "AbortSignal.timeout": 6_000,
      "three rounds of setInterval": 21_000,
      "two rounds of timers/promises": 16_000,
      setImmediate: 0,
      "a file": 0,
      "five days": 5 * day,
      "all by Date": 5 * day + 58_000,
      "all by performance": 5 * day + 58_000,
      "all by hrtime": 5 * day + 58_000,
      "all by imported hrtime": 5 * day + 58_000,
    });
  });

  it("sees virtual dates, and timers as the platform has them", () => {
    expect(outputOf(result, "watcher")).toEqual({
      cleared: [`refreshed at ${Date.UTC(2026, 0, 1) + 40 * day + 70}`],
      context: "mine",
      reason: ["AbortError", "TimeoutError"],
      text: "2026-02-10T00:00:00.130Z",
      formatted: "10/02/2026",
      called: "Tue Feb 10 2026",
      isDate: true,
      given: 5,
    });
  });

  it("is given virtual times by what the platform stamps", () => {
    expect(outputOf(result, "stamper")).toEqual({
      file: 0,
      "file of node:buffer": 0,
      "file with a time of its own": 5,
      "event, seen before": 0,
      event: 1_000,
      mark: 1_000,
      "mark that is made": 1_000,
      "mark with a time of its own": 7,
      "measure to now": 1_000,
      "measure between two": 1_000,
      "measure of a duration": 6,
      timeOrigin: 0,
      "os.uptime": 1_000,
    });
  });

  it("draws chance that only the seed decides", async () => {
    const drawn = outputOf(result, "gambler");

    expect(Object.keys(drawn as object)).toHaveLength(8);
    expect(outputOf(await simulateAmbient(), "gambler")).toEqual(drawn);
    const other = outputOf(await simulateAmbient(2), "gambler") as Record<string, string>;
    const same = Object.entries(drawn as Record<string, string>).filter(([name, value]) => other[name] === value);
    expect(same).toEqual([]);
  });

  it("is refused every socket, name, process and thread, and is told which", () => {
    const errors = outputOf(result, "escapee") as Record<string, string>;

    const tried = Object.fromEntries(Object.entries(errors).map(([name, text]) => [name, /^SIMULATION_REAL_IO: .*its code tried to (.*)\. Give its world/.exec(text)?.[1] ?? text]));
    expect(tried).toEqual({
      fetch: "fetch GET https://example.com",
      "net.connect": "connect to db.example.com:5432",
      "net.Socket": "connect to /run/service.sock",
      "tls.connect": "connect to example.com:443",
      "http.get": "connect to example.com:8080",
      "https.request": "connect to example.com:8443",
      "http2.connect": "connect to example.com:443",
      "http.createServer": "listen on 127.0.0.1:3000",
      WebSocket: "connect to wss://example.com/live",
      dgram: "open a UDP socket",
      "dns.lookup": "look up the name example.com",
      "dns.promises": "look up the name example.com",
      spawn: "start the process git status",
      exec: "start the process git status",
      execFileSync: "start the process git status",
      spawnSync: "start the process git status",
      fork: "start the process worker.js",
      "process.kill": "send a signal to process 1",
      Worker: "start the thread ./worker.js",
    });
    expect(new Set(result.refused)).toEqual(new Set(Object.values(tried)));
  });
});

it("lets a year go by in no time", async () => {
  const result = await simulate({ team: new URL("./fixture/sleeper-team.ts", import.meta.url), horizon: "400d", keep: { eventTypes: ["task"], result: "done(unverified)" } });

  expect(outputOf(result, "sleeper")).toEqual({ sleptMs: 360 * day });
  expect(result.timersFired).toBeLessThan(30_000);
});
