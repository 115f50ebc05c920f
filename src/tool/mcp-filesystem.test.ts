import { mkdtemp, readdir, readFile, realpath, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { anySignal, fixtureOf, type SourceFixture } from "./fixture/source.ts";
import { callOptions } from "./tool.testsuite.ts";

const script = join(dirname(createRequire(import.meta.url).resolve("@modelcontextprotocol/server-filesystem/package.json")), "dist", "index.js");

describe("the official filesystem server over stdio", () => {
  let folder: string;
  let fixture: SourceFixture;
  beforeAll(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), "longhaul-mcp-")));
    fixture = fixtureOf({
      name: "files", command: process.execPath, args: [script, folder],
      allow: ["write_file", "move_file", "get_file_info", "read_text_file", "list_directory"],
      effects: {
        write_file: "idempotent", get_file_info: "read", read_text_file: "read", list_directory: "read",
        move_file: {
          effect: "once",
          reconcile: async ({ input, call }) => {
            const { destination } = input as { readonly destination: string };
            const info = await call("get_file_info", { path: destination });
            return info.ok ? { happened: true, value: `moved to ${destination}` } : { happened: false };
          },
        },
      },
    });
  });
  afterAll(async () => {
    await fixture.source.close();
    await rm(folder, { recursive: true, force: true });
  });

  test("shows the allowed tools with the declared effects", async () => {
    const tools = await fixture.source.tools(anySignal);

    expect(new Map(tools.map((tool) => [tool.name, tool.effect]))).toEqual(new Map([
      ["write_file", "idempotent"], ["move_file", "once"], ["get_file_info", "read"], ["read_text_file", "read"], ["list_directory", "read"],
    ]));
    expect(tools.find((tool) => tool.name === "write_file")?.inputSchema).toMatchObject({ type: "object", required: ["path", "content"] });
  });

  test("writes a temporary file, moves it, and knows afterwards that the move happened", async () => {
    const [write, move, info] = [await fixture.tool("write_file"), await fixture.tool("move_file"), await fixture.tool("get_file_info")];
    const temporary = join(folder, "digest.md.tmp");
    const destination = join(folder, "digest.md");
    const moving = { source: temporary, destination };

    expect(await write.call({ path: temporary, content: "# Digest\n" }, callOptions())).toMatchObject({ ok: true });
    expect(await move.reconcile?.(moving, callOptions())).toEqual({ happened: false });
    expect(await move.call(moving, callOptions())).toMatchObject({ ok: true });
    expect(await move.reconcile?.(moving, callOptions())).toEqual({ happened: true, value: `moved to ${destination}` });
    expect(await info.call({ path: destination }, callOptions())).toMatchObject({ ok: true, value: { content: expect.stringContaining("size: 9") } });
    expect(await readdir(folder)).toEqual(["digest.md"]);
    expect(await readFile(destination, "utf8")).toBe("# Digest\n");
  });

  test("a path outside of its folder is a failed result", async () => {
    const result = await (await fixture.tool("read_text_file")).call({ path: "/etc/passwd" }, callOptions());

    expect(result).toEqual({ ok: false, kind: "failed", message: expect.stringMatching(/read_text_file failed: .*outside allowed directories/) });
  });
});
