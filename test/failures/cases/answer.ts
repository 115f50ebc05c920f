import { type Alteration, type Fault, replyToolCall, type Script } from "../../../src/lab/provider/index.ts";
import type { FailureCase } from "../case.ts";
import { orderOf } from "../courier.ts";
import { always, first, soon, verified } from "./faults.ts";

type Wire = NonNullable<FailureCase["wire"]>;
const altered = (how: Alteration): Fault => ({ kind: "altered", how });
const page = "<html><body>Our service is being maintained.</body></html>";

/** An answer that is wrong once; what is done about it depends on what is wrong. */
function once(fault: string, struck: Fault, did: readonly string[], callsMax: number, wire: Wire = "anthropic"): FailureCase {
  return { layer: "answer", fault, wire, faults: first(struck), expect: { ...verified, backMs: soon, callsMax, did } };
}

function refused(fault: string, wire: Wire): FailureCase {
  return { layer: "answer", fault, wire, faults: always(altered("refusal")), expect: { end: "dead(refused)", deliveries: 0, backMs: 0, callsMax: 1 } };
}

/** The courier hands in something else than it found: the first answers, or all of them. */
const lying = (count: number) => (courier: Script): Script => {
  let answers = 0;
  return async (request, context) => {
    const reply = await courier(request, context);
    const isAnswer = reply.parts.some((part) => part.type === "tool-call" && part.name === "final_answer");
    return isAnswer && ++answers <= count ? replyToolCall("final_answer", { fact: "shelf 0", receipt: "r-1" }) : reply;
  };
};

/** It says that it delivered, and did not. */
const pretending: Script = () => replyToolCall("final_answer", { fact: "shelf 0", receipt: "r-9" });

/** What comes whole, with status 200, and is not what it should be. */
export const answerCases: readonly FailureCase[] = [
  once("a page for people", { kind: "body", text: page }, ["retry"], 4),
  once("half of a JSON", { kind: "body", text: '{"id":"msg_1","type":"mess' }, ["retry"], 4),
  once("no body", { kind: "body", text: "" }, ["retry"], 4, "openai"),
  once("no content", { kind: "empty" }, [], 4),
  once("no content (Responses)", { kind: "empty" }, [], 4, "openai"),
  once("no content (Chat)", { kind: "empty" }, [], 4, "openai-compatible"),
  { layer: "answer", fault: "never any content", faults: always({ kind: "empty" }), expect: { end: "dead(empty)", deliveries: 0, backMs: [0, 3 * 86_400_000], callsMax: 10 } },
  once("another model than was asked", altered("other-model"), [], 3),
  once("no usage (Chat)", altered("no-usage"), [], 3, "openai-compatible"),
  once("no usage (Responses)", altered("no-usage"), [], 4, "openai"),
  once("a usage of zeros", altered("zero-usage"), [], 3),
  once("a call of a tool that there is not", altered("unknown-tool"), ["no_such_tool failed"], 4),
  once("half of a call's arguments", altered("half-arguments"), ["look_up failed"], 4),
  once("half of a call's arguments (Chat)", altered("half-arguments"), ["look_up failed"], 4, "openai-compatible"),
  once("two calls with one id", altered("repeated-ids"), [], 3),
  once("two calls with one id (Responses)", altered("repeated-ids"), [], 3, "openai"),
  once("an error told as text", altered("error-text"), [], 4),
  { layer: "answer", fault: "an error told as text, always", faults: always(altered("error-text")), expect: { end: "dead(invalid-output)", deliveries: 0, backMs: 0, callsMax: 3 } },
  refused("a refusal", "anthropic"),
  refused("a refusal (Responses)", "openai"),
  refused("a refusal (Chat)", "openai-compatible"),
  {
    layer: "answer", fault: "cut off at the output limit", script: (courier) => async (request, context) => ({ ...(await courier(request, context)), ...(context.callNumber === 1 ? { stopReason: "length" } : {}) }),
    expect: { ...verified, backMs: 0, callsMax: 4 },
  },
  {
    layer: "answer", fault: "cut off at the output limit, always", script: (courier) => async (request, context) => ({ ...(await courier(request, context)), stopReason: "length" }),
    expect: { end: "dead(truncated)", deliveries: 0, backMs: 0, callsMax: 3 },
  },
  { layer: "answer", fault: "an invented fact, once", script: lying(1), expect: { ...verified, backMs: 0, callsMax: 4, did: ["rejected by verify"] } },
  { layer: "answer", fault: "an invented fact, always", script: lying(99), expect: { end: "dead(rejected)", deliveries: 1, backMs: 0, callsMax: 5, did: ["rejected by verify"] } },
  { layer: "answer", fault: "a delivery that is claimed and was not made", script: () => pretending, expect: { end: "dead(rejected)", deliveries: 0, backMs: 0, callsMax: 3, did: ["rejected by verify"] } },
  {
    layer: "answer", fault: "the same call for ever", script: () => (request) => replyToolCall("look_up", { order: orderOf(request) }),
    expect: { end: "dead(looping)", deliveries: 0, backMs: 0, callsMax: 8 },
  },
];
