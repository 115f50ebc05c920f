import { expect, test } from "vitest";
import { integerBetween, seededRandom } from "../base/random.ts";
import type { Message, ToolCallPart, ToolResultPart } from "../record/message.ts";
import { toPrompt, toPromptTools } from "./prompt.ts";

const call = (callId: string, toolName = "add"): ToolCallPart => ({ type: "tool-call", callId, toolName, input: { a: 1 } });
const result = (callId: string, value: ToolResultPart["value"] = "ok", isError = false): ToolResultPart => ({ type: "tool-result", callId, toolName: "add", isError, value });

/** The transcript in short: u, a(calls), t(results with ! for errors). */
function shape(messages: readonly Message[]): string {
  return toPrompt(messages)
    .map((message) => {
      if (message.role === "assistant") return `a(${message.content.map((part) => (part.type === "tool-call" ? part.toolCallId : part.type)).join(",")})`;
      if (message.role === "tool") return `t(${message.content.map((part) => (part.type === "tool-result" ? `${part.toolCallId}${part.output.type.startsWith("error") ? "!" : ""}` : "")).join(",")})`;
      return message.role[0];
    })
    .join(" ");
}

test("a dangling call gets an error result", () => {
  const messages: readonly Message[] = [
    { role: "user", text: "go" },
    { role: "assistant", parts: [call("c1"), call("c2")] },
    { role: "tool", results: [result("c1")] },
    { role: "user", text: "and now?" },
  ];

  expect(shape(messages)).toBe("u a(c1,c2) t(c1,c2!) u");
  expect(toPrompt(messages)[2]).toMatchObject({ content: [{}, { output: { type: "error-text", value: "Error: interrupted: no result" } }] });
});

test("a late result moves up to its call, and a result without a call becomes a message", () => {
  expect(shape([{ role: "assistant", parts: [call("c1")] }, { role: "user", text: "wait" }, { role: "tool", results: [result("c1")] }])).toBe("a(c1) t(c1) u");
  expect(shape([{ role: "tool", results: [result("gone", { sum: 3 })] }, { role: "user", text: "go" }])).toBe("u u");
  expect(toPrompt([{ role: "tool", results: [result("gone", { sum: 3 })] }])).toEqual([{ role: "user", content: [{ type: "text", text: 'Result of an earlier call of add: {"sum":3}' }] }]);
});

test("ids that come again belong to their own turn", () => {
  const turn = (value: string): readonly Message[] => [{ role: "assistant", parts: [call("call_0")] }, { role: "tool", results: [result("call_0", value)] }];

  const prompt = toPrompt([...turn("one"), ...turn("two"), { role: "assistant", parts: [call("call_0")] }]);

  expect(prompt.filter((message) => message.role === "tool").map((message) => message.content[0])).toMatchObject([
    { output: { value: "one" } },
    { output: { value: "two" } },
    { output: { type: "error-text" } },
  ]);
});

test("a call does not take the result of a later call with its id, nor one that is taken", () => {
  expect(shape([{ role: "assistant", parts: [call("c")] }, { role: "assistant", parts: [call("c")] }, { role: "tool", results: [result("c")] }])).toBe("a(c) t(c!) a(c) t(c)");
  expect(shape([{ role: "assistant", parts: [call("c"), call("c")] }, { role: "tool", results: [result("c"), result("c")] }])).toBe("a(c,c) t(c,c)");
  expect(shape([{ role: "assistant", parts: [call("c"), call("c")] }, { role: "tool", results: [result("c")] }])).toBe("a(c,c) t(c,c!)");
});

test("error results carry the flag and say it in words", () => {
  const outputs = (value: ToolResultPart["value"]) => toPrompt([{ role: "assistant", parts: [call("c")] }, { role: "tool", results: [result("c", value, true)] }])[1];

  expect(outputs("no such company")).toMatchObject({ content: [{ output: { type: "error-text", value: "Error: no such company" } }] });
  expect(outputs("Failed to connect")).toMatchObject({ content: [{ output: { type: "error-text", value: "Failed to connect" } }] });
  expect(outputs({ code: 7 })).toMatchObject({ content: [{ output: { type: "error-json", value: { error: { code: 7 } } } }] });
});

test("what providers refuse is left out or filled", () => {
  const messages: readonly Message[] = [
    { role: "system", text: "one", tools: [{ name: "add", description: "old", inputSchema: {} }] },
    { role: "user", text: " " },
    { role: "assistant", parts: [{ type: "text", text: "" }] },
    { role: "assistant", parts: [{ type: "tool-call", callId: "c", toolName: "add", input: '{"a":' }] },
    { role: "system", text: "two", tools: [{ name: "add", description: "new", inputSchema: {} }] },
  ];

  const prompt = toPrompt(messages);

  expect(prompt[0]).toEqual({ role: "system", content: "one\n\ntwo" });
  expect(prompt[1]).toEqual({ role: "user", content: [{ type: "text", text: "(no text)" }] });
  expect(prompt[2]).toMatchObject({ role: "assistant", content: [{ input: { malformed_input: '{"a":' } }] });
  expect(toPromptTools(messages)).toEqual([{ type: "function", name: "add", description: "new", inputSchema: {} }]);
});

test("after any transcript every call is followed at once by its result", () => {
  const seed = "prompt-repair-1";
  const random = seededRandom(seed);
  for (let round = 0; round < 300; round++) {
    const messages = Array.from({ length: 8 }, (): Message => {
      const ids = Array.from({ length: integerBetween(random, 0, 3) }, () => `c${integerBetween(random, 0, 4)}`);
      const kind = integerBetween(random, 0, 2);
      if (kind === 0) return { role: "user", text: "go" };
      return kind === 1 ? { role: "assistant", parts: [...new Set(ids)].map((id) => call(id)) } : { role: "tool", results: ids.map((id) => result(id)) };
    });

    expect(problemsOf(toPrompt(messages)), `seed ${seed}, round ${round}`).toEqual([]);
  }
});

/** Where calls and results do not face each other. */
function problemsOf(prompt: ReturnType<typeof toPrompt>): readonly string[] {
  return prompt.flatMap((message, index) => {
    const next = prompt[index + 1];
    if (message.role === "tool") return prompt[index - 1]?.role === "assistant" ? [] : [`${index}: results without calls`];
    if (message.role !== "assistant") return [];
    const calls = message.content.map((part) => (part.type === "tool-call" ? part.toolCallId : ""));
    const answered = next?.role === "tool" ? next.content.map((part) => (part.type === "tool-result" ? part.toolCallId : "")) : [];
    return calls.join() === answered.join() ? [] : [`${index}: ${calls.join()} is answered by ${answered.join()}`];
  });
}
