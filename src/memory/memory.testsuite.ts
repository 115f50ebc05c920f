import { describe, expect, it } from "vitest";
import { type AssistantMessage, type Message, toolCallsOf, type ToolMessage } from "../record/message.ts";
import type { Memory } from "./memory.ts";

export interface MemorySuite {
  create(): Promise<Memory>;
}

const answer: AssistantMessage = { role: "assistant", parts: [{ type: "text", text: "one moment" }, { type: "tool-call", callId: "c1", toolName: "lookup", input: { name: "acme" } }] };
const results: ToolMessage = { role: "tool", results: [{ type: "tool-result", callId: "c1", toolName: "lookup", isError: false, value: 4 }] };
const conversation: readonly Message[] = [{ role: "user", text: "How many people work at Acme?" }, answer, results];

/** What every adapter of the memory port promises. */
export function testMemory(suite: MemorySuite): void {
  describe("a memory", () => {
    it("ends the window with the newest message, in the order in which things were said", async () => {
      const session = await (await suite.create()).open("research", "t_1");

      const window = session.window(conversation);

      expect(window.at(-1)).toEqual(results);
      expect(window.filter((message) => conversation.includes(message))).toEqual(conversation.filter((message) => window.includes(message)));
    });

    it("never shows a result without its call", async () => {
      const window = (await (await suite.create()).open("research", "t_1")).window(conversation);

      const called = window.flatMap((message) => (message.role === "assistant" ? toolCallsOf(message).map(({ callId }) => callId) : []));
      const answered = window.flatMap((message) => (message.role === "tool" ? message.results.map(({ callId }) => callId) : []));
      expect(called).toEqual(expect.arrayContaining([...answered]));
    });

    it("gives the same window for the same transcript, and leaves the transcript as it is", async () => {
      const session = await (await suite.create()).open("research", "t_1");
      const before = JSON.stringify(conversation);

      expect(session.window(conversation)).toEqual(session.window(conversation));
      expect(JSON.stringify(conversation)).toBe(before);
    });

    it("knows nothing of another run's conversation", async () => {
      const memory = await suite.create();
      (await memory.open("research", "t_1")).window(conversation);

      expect((await memory.open("research", "t_2")).window([{ role: "user", text: "Hello" }])).toEqual([{ role: "user", text: "Hello" }]);
    });
  });
}
