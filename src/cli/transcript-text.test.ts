import { expect, it } from "vitest";
import { formatTranscript } from "./transcript-text.ts";

it("keeps its own colours, and takes those of the text away", () => {
  const lines = formatTranscript([{ role: "assistant", parts: [{ type: "tool-call", callId: "c1", toolName: "\u001B[2Jx", input: "in" }, { type: "reasoning", text: "two\nlines" }] }], (_style, text) => `<${text}>`);

  expect(lines).toEqual(["<── assistant>", "<calls \uFFFD[2Jx (c1)>", "in", "<thinks: two>", "<lines>", ""]);
});

it("prints a prompt and its answer whole, tools and results included, without terminal controls", () => {
  const lines = formatTranscript(
    [
      { role: "system", text: "Be brief.", tools: [{ name: "search", description: "Searches", inputSchema: {} }] },
      { role: "user", text: "two\nlines\u001B[2J" },
      { role: "assistant", parts: [{ type: "reasoning", text: "hm" }, { type: "text", text: "Looking." }, { type: "tool-call", callId: "c1", toolName: "search", input: { q: "x" } }] },
      { role: "tool", results: [{ type: "tool-result", callId: "c1", toolName: "search", isError: true, value: "no network" }] },
    ],
    (_style, text) => text,
  );

  expect(lines).toEqual([
    "── system", "Be brief.", "", "Tools:", "  search: Searches", "",
    "── user", "two", "lines\uFFFD[2J", "",
    "── assistant", "thinks: hm", "Looking.", "calls search (c1)", "{", '  "q": "x"', "}", "",
    "── tool", "search (c1) failed", "no network", "",
  ]);
});
