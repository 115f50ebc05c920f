import { expect, test } from "vitest";
import type { Message } from "../record/message.ts";
import { fromContent, fromPrompt } from "./from-prompt.ts";
import { toPrompt, toPromptTools } from "./prompt.ts";

const transcript: readonly Message[] = [
  { role: "system", text: "Be brief.", tools: [{ name: "add", description: "Adds.", inputSchema: { type: "object" } }] },
  { role: "user", text: "1 + 2?" },
  { role: "assistant", parts: [{ type: "reasoning", text: "hm" }, { type: "text", text: "adding" }, { type: "tool-call", callId: "c1", toolName: "add", input: { a: 1 } }, { type: "tool-call", callId: "c2", toolName: "add", input: {} }] },
  { role: "tool", results: [{ type: "tool-result", callId: "c1", toolName: "add", isError: false, value: { sum: 3 } }, { type: "tool-result", callId: "c2", toolName: "add", isError: true, value: "Error: b is missing" }] },
];

test("a transcript that became a prompt is read back from it", () => {
  expect(fromPrompt({ prompt: toPrompt(transcript), tools: toPromptTools(transcript) })).toEqual(transcript);
});

test("what a transcript cannot hold is named in its place", () => {
  const messages = fromPrompt({
    prompt: [
      { role: "user", content: [{ type: "text", text: "see" }, { type: "file", mediaType: "image/png", data: { type: "data", data: new Uint8Array([1]) } }] },
      { role: "tool", content: [{ type: "tool-result", toolCallId: "c", toolName: "add", output: { type: "execution-denied", reason: "not today" } }, { type: "tool-approval-response", approvalId: "a", approved: true }] },
    ],
  });

  expect(messages).toEqual([
    { role: "system", text: "", tools: [] },
    { role: "user", text: "see\n[file image/png]" },
    { role: "tool", results: [{ type: "tool-result", callId: "c", toolName: "add", isError: true, value: "not today" }] },
  ]);
  expect(fromContent([{ type: "text", text: "a" }, { type: "tool-call", toolCallId: "c", toolName: "add", input: "{" }, { type: "source", sourceType: "url", id: "1", url: "u" }])).toEqual({
    role: "assistant",
    parts: [{ type: "text", text: "a" }, { type: "tool-call", callId: "c", toolName: "add", input: "{" }, { type: "text", text: "[source]" }],
  });
});
