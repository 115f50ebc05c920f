import { expect, test } from "vitest";
import { isLonghaulError, type LonghaulError } from "../../src/base/error.ts";
import { VirtualClock } from "../../src/base/virtual-clock.ts";
import { createProviderSimulator, type Fault, replyText } from "../../src/lab/provider/index.ts";
import { modelRequest } from "../../src/model/model.testsuite.ts";
import { createModelRegistry } from "../../src/model/registry.ts";
import { anthropicFixtures } from "./anthropic.ts";
import { compatibleFixtures } from "./compatible.ts";
import { broken, type Fixture } from "./fixture.ts";
import { openAiFixtures } from "./openai.ts";

const wires = { anthropic: "anthropic/claude-opus-5-5", openai: "openai/gpt-5.2", compatible: "local/llama-4" } as const;
type WireName = keyof typeof wires;

/** The same on every wire: what goes wrong below HTTP, and with status 200. */
const everywhere: readonly Fixture[] = [
  broken("nobody listens", "MODEL_TRANSIENT", { kind: "network", failure: "ECONNREFUSED" }),
  broken("the connection is reset", "MODEL_TRANSIENT", { kind: "network", failure: "ECONNRESET" }),
  broken("the name is not found", "MODEL_TRANSIENT", { kind: "network", failure: "ENOTFOUND" }),
  broken("the name cannot be asked for", "MODEL_TRANSIENT", { kind: "network", failure: "EAI_AGAIN" }),
  broken("the connection is never made", "MODEL_TRANSIENT", { kind: "network", failure: "UND_ERR_CONNECT_TIMEOUT" }),
  broken("the other side closes before it answers", "MODEL_TRANSIENT", { kind: "network", failure: "UND_ERR_SOCKET" }),
  broken("the certificate has expired", "MODEL_TRANSIENT", { kind: "network", failure: "CERT_HAS_EXPIRED" }),
  broken("closed right after status 200", "MODEL_TRANSIENT", { kind: "cut", afterEvents: 0 }),
  broken("cut in the middle", "MODEL_TRANSIENT", { kind: "cut", afterEvents: 3 }),
  broken("a stream without its end", "MODEL_TRANSIENT", { kind: "unfinished", missingEvents: 3 }),
  broken("an event that is not JSON", "MODEL_TRANSIENT", { kind: "badEvent", afterEvents: 2 }),
  broken("a page with status 200", "MODEL_TRANSIENT", { kind: "body", text: "<html><body>We are being maintained.</body></html>" }),
  broken("half of a JSON with status 200", "MODEL_TRANSIENT", { kind: "body", text: '{"id":"x","type":"mess' }),
  broken("no body with status 200", "MODEL_TRANSIENT", { kind: "body", text: "" }),
  broken("silence", "MODEL_TIMEOUT", { kind: "hang" }),
  broken("silence in the middle", "MODEL_TIMEOUT", { kind: "hang", afterEvents: 4 }),
  broken("keep-alives for ever", "MODEL_TIMEOUT", { kind: "keepAlive", ms: 3_600_000 }),
  broken("metadata for ever", "MODEL_TIMEOUT", { kind: "keepAlive", ms: 3_600_000, with: "metadata" }),
  broken("empty deltas for ever", "MODEL_TIMEOUT", { kind: "keepAlive", ms: 3_600_000, with: "empty-deltas" }),
];

const fixtures: readonly (readonly [wire: WireName, what: string, fixture: Fixture])[] = (
  [["anthropic", anthropicFixtures], ["openai", openAiFixtures], ["compatible", compatibleFixtures]] as const
).flatMap(([wire, own]) => [...own, ...everywhere].map((fixture) => [wire, fixture.what, fixture] as const));

/** What the real provider library makes of the fault, as the port tells it. */
async function failureOf(wire: WireName, fault: Fault): Promise<LonghaulError> {
  const clock = new VirtualClock(Date.UTC(2026, 0, 15, 10));
  const simulator = createProviderSimulator({ clock, script: () => replyText("An answer of several pieces, as long as it needs to be."), faults: () => fault });
  const reference = wires[wire];
  const endpoint = { baseUrl: "http://simulator.test/v1", simulated: true, fetch: (request: Request) => simulator.fetch(request) };
  const model = await createModelRegistry({ clock, secret: () => undefined, endpoints: { [reference.split("/")[0] ?? ""]: endpoint } }).resolve(reference);
  const failure = model.complete(modelRequest()).then(
    (completion) => new Error(`it was taken for an answer: ${JSON.stringify(completion)}`),
    (error: unknown) => error,
  );
  await clock.advance(120_000);
  const error = await failure;
  simulator.close();
  if (!isLonghaulError(error)) throw error;
  return error;
}

test.each(fixtures)("%s: %s", async (wire, _, { fault, code, retry }) => {
  const error = await failureOf(wire, fault);

  const { code: told, retry: advice, message } = error;
  expect({ code: told, retry: advice, message }).toEqual({ code, retry, message });
});

test("each class that a provider can name is among the fixtures of each wire", () => {
  const codes = ["MODEL_AUTH", "MODEL_BILLING", "MODEL_CONTENT_FILTER", "MODEL_CONTEXT_OVERFLOW", "MODEL_INVALID", "MODEL_OVERLOADED", "MODEL_THROTTLED", "MODEL_TIMEOUT", "MODEL_TRANSIENT"];

  for (const wire of Object.keys(wires)) {
    const covered = new Set(fixtures.filter(([name]) => name === wire).map(([, , { code }]) => code as string));
    expect({ wire, codes: [...covered].toSorted((a, b) => a.localeCompare(b)) }).toEqual({ wire, codes });
  }
});
