// The door `longhaul/testing`: a team in your own test runner.

export { type Script, scriptedModel, type ScriptedAnswer, type ScriptedModel, type ScriptedToolCall } from "../model/scripted.ts";
export { testTeam, type TestTeam, type TestTeamOptions } from "./test-team.ts";

// what a test looks at
export type { TaskFilter } from "../engine/engine.ts";
export type { HealthVerdict } from "../record/health.ts";
export type { CompletedStep } from "../record/step.ts";
export type { Task, TaskEnd } from "../record/task.ts";
export type { RecordFilter } from "../store/store.ts";
