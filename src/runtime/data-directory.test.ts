import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { assertSocketFolder, dataDirectory, prepareDataDirectory } from "./data-directory.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "longhaul-data-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

describe("a data directory", () => {
  it("and its token are their owner's alone, and the token stays", () => {
    const directory = dataDirectory(join(root, "data"));

    expect(prepareDataDirectory(directory, () => "first")).toBe("first");
    expect(prepareDataDirectory(directory, () => "second")).toBe("first");
    expect([modeOf(directory.path), modeOf(directory.token)]).toEqual(["700", "600"]);
  });

  it("takes an empty token file for none", () => {
    const directory = dataDirectory(root);
    writeFileSync(directory.token, "\n");

    expect(prepareDataDirectory(directory, () => "made")).toBe("made");
    expect(readFileSync(directory.token, "utf8")).toBe("made\n");
  });

  it("with a path too long for a socket has its socket in a folder that is the user's alone", () => {
    const directory = dataDirectory(join(root, "a".repeat(120)));
    prepareDataDirectory(directory, () => "token");

    expect(dirname(directory.socket)).not.toBe(directory.path);
    expect(modeOf(dirname(directory.socket))).toBe("700");
    expect(() => assertSocketFolder(directory)).not.toThrow();
  });

  it("refuses a folder for its socket that others may write to, or that is none", () => {
    const directory = dataDirectory(join(root, "a".repeat(120)));
    const open = { ...directory, socket: join(root, "open", "x.sock") };
    mkdirSync(dirname(open.socket));
    chmodSync(dirname(open.socket), 0o777);
    const file = { ...directory, socket: join(root, "file", "x.sock") };
    writeFileSync(dirname(file.socket), "");

    for (const unsafe of [open, file]) expect(() => assertSocketFolder(unsafe)).toThrow(expect.objectContaining({ code: "DATA_DIRECTORY_UNSAFE", message: expect.stringContaining("is not this user's alone. Remove it") }));
    for (const unsafe of [open, file]) expect(() => prepareDataDirectory(unsafe, () => "token")).toThrow(expect.objectContaining({ code: "DATA_DIRECTORY_UNSAFE" }));
  });
});
