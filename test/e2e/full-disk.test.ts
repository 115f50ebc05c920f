import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Client, createClient } from "longhaul/client";
import { expect, it } from "vitest";
import { startLonghaul, teamFile, temporaryFolder } from "./fixture/longhaul.ts";

/** 1 MB: enough to start, not enough to go on. */
const fileBlocksMax = 2_000;

it("tells people within seconds that its data file takes no writes, past the outbox in that very file, and is not ready meanwhile", async () => {
  const folder = temporaryFolder();
  const team = startLonghaul(["start", teamFile, "--data", folder.path, "--port", "0", "--plain"], { fileBlocksMax });
  try {
    await team.line((line) => line.includes("Ctrl-C stops it"));
    const client = createClient({ dataDirectory: folder.path });
    const { url } = JSON.parse(readFileSync(join(folder.path, "endpoint.json"), "utf8")) as { readonly url: string };
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    // What is large is refused first; then what is small fills the rest.
    for (const characters of [100_000, 1_000, 1]) expect(await submitUntilRefused(client, characters)).toMatchObject({ message: expect.stringMatching(/full|disk I\/O/) });

    await team.line((line) => line.includes("[critical] cli-fixture: cli-fixture cannot write its data file"));

    expect((await fetch(`${url}/readyz`)).status).toBe(503);
  } finally {
    team.child.kill("SIGKILL");
    await team.ended;
    folder.remove();
  }
});

async function submitUntilRefused(client: Client, characters: number): Promise<unknown> {
  for (let task = 0; task < 200; task++) {
    const refusal = await client.submit("patient", "x".repeat(characters)).then(() => null, (error: unknown) => error);
    if (refusal !== null) return refusal;
  }
  return null;
}
