import { createClient, isLonghaulError } from "longhaul/client";

// Your web application, in a process of its own. The team of 01 runs beside it: longhaul start examples/01-first-team.ts
const client = createClient({ dataDirectory: process.argv[2] ?? ".longhaul" });

// The key is the identity of the message: asked twice, answered by the same task, paid once.
const first = await client.submit("triage", { message: "The shop is down." }, { key: "message-42" });
const again = await client.submit("triage", { message: "The shop is down." }, { key: "message-42" });
console.log("same task:", first.taskId === again.taskId, "created again:", again.created);

// Waits for as long as it takes; a signal ends the wait, not the task.
const task = await client.result(first.taskId, { signal: AbortSignal.timeout(60_000) });
console.log(task.status, task.outcome, JSON.stringify(task.output));

// What goes wrong has a code, a sentence that says what to do, and never a stack of ours.
try {
  await client.submit("triaje", { message: "?" });
} catch (error) {
  if (!isLonghaulError(error)) throw error;
  console.log(error.code, error.message);
}
