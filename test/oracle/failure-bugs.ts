import type { PlantedBug } from "./planted-bug.ts";

const table = "test/failures/table.test.ts";
const onCluster = "test/failures/cluster.test.ts";
const classification = "test/classification/classification.test.ts";

/** Bugs of what a run does about failures of models and tools, planted one at a time by `npm run oracle`. */
export const failureBugs: readonly PlantedBug[] = [
  {
    name: "blind replay of a once call", harm: "an effect happens twice after a crash",
    file: "src/run/tool-call.ts", find: "  if (intent.state === \"unknown\" || intent.state === \"restored\") {", replace: "  if (intent.state === \"restored\") {", suites: [table],
  },
  {
    name: "a tool's word that it failed counts", harm: "an effect happens twice after an answer that was lost",
    file: "src/run/tool-call.ts", find: "  if (!isUncertain(result, tool)) return", replace: "  if (!isUncertain(result, tool) || !result.ok) return", suites: [table],
  },
  {
    name: "verify is not heeded", harm: "an answer that is not true is verified",
    file: "src/run/model-loop.ts", find: "(verdict === null || verdict.accepted)", replace: "(verdict === null || verdict.evidence !== undefined)", suites: [table],
  },
  {
    name: "a refused answer is asked for again", harm: "money is spent on a no",
    file: "src/run/model-loop.ts", find: "the provider refused to answer (content filter)\", null)", replace: "the provider refused to answer (content filter)\", \"Answer.\")", suites: [table],
  },
  {
    name: "an answer that broke off is free", harm: "the provider bills what no ledger holds",
    file: "src/model/provider.ts", find: "hasBegun: deadline.hasContent()", replace: "hasBegun: false", suites: [table],
  },
  {
    name: "metadata is content", harm: "a provider that only says that it begins is waited for too long",
    file: "src/model/stream.ts", find: "return !part.kind.endsWith(\".message_start\");", replace: "return true;", suites: [table],
  },
  {
    name: "empty deltas are content", harm: "a provider that sends nothing is waited for for ever",
    file: "src/model/stream.ts", find: "      return part.delta !== \"\";", replace: "      return true;", suites: [table],
  },
  {
    name: "retry-after as a date is not read", harm: "a provider is called before it allows",
    file: "src/model/retry-after.ts", find: "  const atMs = Date.parse(value);\n  return Number.isNaN(atMs) ? null : bounded(atMs - nowMs);", replace: "  return nowMs < 0 ? 0 : null;", suites: [table],
  },
  {
    name: "a person's no is a yes", harm: "what a person refused is done",
    file: "src/run/permission.ts", find: "    if (word?.decision !== \"allow\") return", replace: "    if (word === null) return", suites: [table],
  },
  {
    name: "a model that began to answer gives way", harm: "an answer is paid twice, and another model's is taken",
    file: "src/run/model-chain.ts", find: "(hasBegun && error.details[\"isNoAnswer\"] !== true)", replace: "(hasBegun && error.details[\"isNoAnswer\"] === false)", suites: [table],
  },
  {
    name: "a chain waits for its first model each time", harm: "a run waits for a provider that asks for time, though another one stands by",
    file: "src/run/model-call.ts", find: "hasNext && sinceMs() + delayMs > chainPatienceMs", replace: "hasNext && delayMs > chainPatienceMs", suites: ["test/run/chain-waits.test.ts"],
  },
  {
    name: "a callee without its key is well", harm: "a flow goes on to pay for calls of an agent that dies each time",
    file: "src/policy/callee-end.ts", find: "billing: \"bad\", auth: \"bad\"", replace: "billing: \"good\", auth: \"good\"", suites: [table],
  },
  {
    name: "what is undone again has another key", harm: "a service takes back twice what was done once",
    file: "src/run/compensation.ts", find: "await compensation.undo({ signal, idempotencyKey });", replace: "await compensation.undo({ signal, idempotencyKey: `${idempotencyKey}/${execution.attempt}` });", suites: [table],
  },
  {
    name: "what could not be undone is done", harm: "a half-done work is left behind, and nobody is told",
    file: "src/run/compensation.ts", find: "  if (failed.length === 0) return", replace: "  if (failed.length >= 0) return", suites: [table],
  },
  {
    name: "a quota is a rate limit", harm: "an account out of money is asked for hours",
    file: "src/model/classify.ts", find: "when: (failure, words) => failure.status === 402 || hasKind(failure, billingKinds) || billingWords.test(words) }", replace: "when: (failure) => failure.status === 402 }", suites: [classification],
  },
  {
    name: "a full context window is tried again", harm: "the same prompt is sent and refused for hours",
    file: "src/model/classify.ts", find: "  return overflowWords.test(words);", replace: "  return words === \"\";", suites: [classification],
  },
  {
    name: "what was told to stop is what it came to", harm: "a task on a cluster is dead because its worker was stopped in good order",
    file: "src/engine/restate/steps.ts", find: "  return signal.aborted && !outcome.ok;", replace: "  return signal.aborted && outcome.ok;", suites: [onCluster],
  },
  {
    name: "an intent in PostgreSQL is not heeded", harm: "an effect happens twice after its worker died",
    file: "src/store/postgres/effects.ts", find: "    return { state: \"unknown\", intendedAtMs: Number(row[\"intended_at_ms\"]) };", replace: "    return { state: \"intended-now\" };", suites: [onCluster],
  },
];
