import { describe, expect, test } from "vitest";
import { consoleNotifier } from "./console.ts";
import { sample, testNotifier } from "./notify.testsuite.ts";

testNotifier({
  name: "consoleNotifier",
  create: async () => {
    const arrived: string[] = [];
    let broken = false;
    const write = async (text: string): Promise<void> => {
      if (broken) throw new Error("EPIPE");
      arrived.push(text);
    };
    return { notifier: consoleNotifier({ write }), arrived, breakDown: () => { broken = true; }, close: async () => undefined };
  },
});

describe("consoleNotifier", () => {
  test("writes the time, a headline and the indented text", async () => {
    const written: string[] = [];
    await consoleNotifier({ write: (text) => void written.push(text) }).send(sample, new AbortController().signal);

    expect(written).toEqual(["2026-01-15T10:23:45.120Z [critical] prospecting: research is hollow\n  5 runs succeeded, nothing was accomplished.\n  Type: longhaul health"]);
  });

  test("characters that steer a terminal or turn the direction of text are replaced", async () => {
    const written: string[] = [];
    await consoleNotifier({ write: (text) => void written.push(text) }).send({ ...sample, title: "\u001B[2Jgone\r\u202Eevil", text: "a\u0007b\tc" }, new AbortController().signal);

    expect(written[0]).toMatch(/: \uFFFD\[2Jgone\uFFFD\uFFFDevil\n {2}a\uFFFDb\tc$/);
  });
});
