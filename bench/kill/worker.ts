import { appendFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { sleep, systemClock as clock } from "../../src/base/clock.ts";
import { createIds } from "../../src/base/id.ts";
import { systemRandom } from "../../src/base/random.ts";
import type { EngineContext, RunEnd } from "../../src/engine/engine.ts";
import { toLogRecord } from "../../src/record/log-record.ts";
import { openData } from "../../src/runtime/open-data.ts";
import { taskRecords } from "../../src/runtime/task-record.ts";

// A process that owns a data file and executes what is in it, until nothing is left. `--start 500` brings tasks first. Each step does something outside, at its
// beginning: it appends a line to the sink, and then takes `--step-ms`.
const { values } = parseArgs({ options: { data: { type: "string", default: "" }, sink: { type: "string", default: "" }, start: { type: "string", default: "0" }, steps: { type: "string", default: "0" }, "step-ms": { type: "string", default: "0" } } });
const ids = createIds(clock, systemRandom);
const context = { team: "bench", versionOf: () => "1", id: () => ids("e") };
const data = openData({ file: values.data, clock, ids, observe: (change) => taskRecords(change, context), redact: (value) => value, onCommit: () => undefined, onFenced: (error) => { throw error; } });

async function execute(ctx: EngineContext): Promise<RunEnd> {
  const { id } = ctx.task;
  for (let step = 1; step <= Number(values.steps); step++) {
    await ctx.step({ kind: "code", name: "work" }, async ({ number, attempt, identity }) => {
      appendFileSync(values.sink, `${id} ${step}\n`);
      await sleep(clock, Number(values["step-ms"]));
      const record = toLogRecord(`${ctx.runId}/${identity.occurrence}/0`, clock.now(), "bench", { event_type: "tool_call", agent_id: "bench", task_id: id, run_id: ctx.runId, step: number, attempt, tool_name: "work", result: "success" });
      return { outcome: { ok: true, value: step }, writes: [{ type: "record", record }] };
    });
  }
  return { end: { status: "done", outcome: "unverified", output: null, evidence: null, reason: null } };
}

await data.engine.run([{ name: "bench", version: "1", concurrency: 500, queueMax: 10_000 }], execute);
const nowMs = clock.now();
await Promise.all(Array.from({ length: Number(values.start) }, () =>
  data.engine.start({ id: ids("t"), agent: "bench", input: null, key: null, priority: 0, notBeforeAtMs: nowMs, deadlineAtMs: nowMs + 3_600_000, depth: 0, source: "bench" }),
));
const open = await data.engine.list({ statuses: ["queued", "running", "waiting"], limit: 10_000 });
await Promise.all(open.map(({ id }) => data.engine.result(id)));
const done = await data.engine.list({ statuses: ["done"], limit: 10_000 });
await data.close();
console.log(done.length);
