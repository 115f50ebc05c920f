import { lastUserTextOf, replyToolCall, type Script, toolResultsOf } from "longhaul/simulator";

/** Stands in for a model when there is no key: reads the text by the tool, then answers with its first lines. Delete it when you have a key. */
export const simulatedWriter: Script = (request) => {
  const read = toolResultsOf(request).findLast((result) => result.name === "read_text");
  if (read === undefined) return replyToolCall("read_text", { file: /"file":\s*"([^"]+)"/.exec(lastUserTextOf(request))?.[1] ?? "" });
  const lines = read.text.replaceAll(/\\n/g, "\n").replaceAll(/^"|"$/g, "").split("\n").filter((line) => line.trim() !== "");
  const [title = "", ...rest] = lines.map((line) => line.replace(/^#+\s*/, ""));
  return replyToolCall("final_answer", { title, summary: `(simulated) ${rest.slice(0, 3).join(" ")}` });
};
