import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { askOverSocket } from "./socket-client.ts";

it("says what is known of a request to a team that was ended while it was under way, and what to do", async () => {
  const folder = mkdtempSync(join(tmpdir(), "longhaul-socket-"));
  const socketPath = process.platform === "win32" ? `\\\\.\\pipe\\${folder}` : join(folder, "s");
  const server = createServer((socket) => socket.once("data", () => socket.destroy())).listen(socketPath);
  onTestFinished(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  await once(server, "listening");

  await expect(askOverSocket({ socketPath, method: "POST", path: "/api/v1/tasks", body: {}, signal: new AbortController().signal })).rejects.toMatchObject({
    code: "CLIENT_UNREACHABLE", retry: "backoff", message: expect.stringMatching(/its process ended.*Nobody knows whether it took this.*`longhaul ps --all` does not show.*--key/) as string,
  });
});
