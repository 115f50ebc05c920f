import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { EngineRows } from "./engine-rows.testsuite.ts";
import { LongRuns } from "./long-runs.ts";
import { RestateClient } from "./restate-client.ts";

let rows: EngineRows;
let client: RestateClient;
/** The paths that were asked for, and those of which one part is refused. */
let asked: string[];
let refused = "";
/** What Restate's tables say. */
let invocations: readonly string[] = [];

/** Answers where Restate does, and refuses what the test says: that, the real one does of what it has lost or cannot read. */
const server = createServer((request, response) => {
  const path = String(request.url);
  asked.push(path);
  if (refused !== "" && path.includes(refused)) response.writeHead(500).end("refused");
  else if (path === "/query") {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const after = /i\.id > '([^']*)'/.exec(body)?.[1] ?? "";
      response.end(JSON.stringify({ rows: invocations.filter((id) => id > after).map((id) => ({ id, status: "paused" })) }));
    });
  } else response.end("{}");
});

beforeAll(async () => {
  rows = await EngineRows.open();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  client = new RestateClient({ ingress: address, admin: address }, rows.clock);
});
afterAll(async () => {
  server.close();
  await rows.db.close();
});
beforeEach(async () => {
  await rows.empty();
  [asked, refused, invocations] = [[], "", []];
});

describe("what Restate refuses for good keeps nothing behind it for longer than a turn:", () => {
  it("a run that has its slot for long, and is asked after", async () => {
    const [stuck, behind] = [await rows.make(), await rows.make()];
    await rows.db.exec(`UPDATE lh_task SET status_since_ms = ${rows.clock.now() - 3_600_000}`);
    const longRuns = new LongRuns({ writer: rows.writer, client, clock: rows.clock, team: "team" });
    refused = stuck.runId;

    await expect(longRuns.look()).rejects.toMatchObject({ code: "ENGINE_UNREACHABLE" });
    for (let sweep = 0; sweep < 12; sweep++) await longRuns.look();
    expect(asked.some((path) => path.includes(behind.runId))).toBe(true);

    refused = "";
    for (let sweep = 0; sweep < 12; sweep++) await longRuns.look();
    expect(asked.filter((path) => path.includes(stuck.runId))).toHaveLength(2);
  });

  it("a call at an address where the team was before", async () => {
    [invocations, refused] = [["inv_1", "inv_2", "inv_3"], "inv_1"];

    await expect(client.bringHere("team")).rejects.toMatchObject({ code: "ENGINE_UNREACHABLE" });
    await client.bringHere("team");
    expect(asked).toContain("/invocations/inv_3/resume?deployment=latest");

    [refused, invocations] = ["", ["inv_1"]];
    await client.bringHere("team");
    expect(asked.at(-1)).toBe("/invocations/inv_1/resume?deployment=latest");
  });
});
