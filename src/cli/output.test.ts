import { expect, it } from "vitest";
import { createOutput } from "./output.ts";

function createStreams(isJson: boolean, isTTY = false) {
  const written = { stdout: "", stderr: "" };
  const stream = (name: "stdout" | "stderr") => ({ isTTY, columns: 90, write: (text: string) => void (written[name] += text) });
  return { written, output: createOutput({ stdout: stream("stdout"), stderr: stream("stderr"), isJson, hasColors: isTTY }) };
}

it("writes lines for people and no JSON, or JSON lines and nothing else", () => {
  for (const [isJson, stdout] of [[false, "one\ntwo\n"], [true, '{"a":1}\n']] as const) {
    const { written, output } = createStreams(isJson);
    output.say("one", "two");
    output.data({ a: 1 });
    output.warn("careful");

    expect(written).toEqual({ stdout, stderr: "careful\n" });
  }
});

it("knows a width and colours only on a terminal", () => {
  expect(createStreams(false).output.columns).toBe(null);
  expect(createStreams(false).output.style("red", "x")).toBe("x");
  expect(createStreams(false, true).output.columns).toBe(90);
  expect(createStreams(false, true).output.style("red", "x")).toBe("\u001B[31mx\u001B[39m");
});

it("writes JSON that steers no terminal and means the same", () => {
  const { written, output } = createStreams(true);
  output.data({ said: "\u001B[31m\u009B2J\u202Eé漢" });

  expect(written.stdout).not.toMatch(/(?!\n)[\p{Cc}\p{Bidi_Control}]/u);
  expect(JSON.parse(written.stdout)).toEqual({ said: "\u001B[31m\u009B2J\u202Eé漢" });
});
