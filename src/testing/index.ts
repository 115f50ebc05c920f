// The door `longhaul/testing`: a team in your own test runner.

export { type Script, scriptedModel, type ScriptedAnswer, type ScriptedModel, type ScriptedToolCall } from "../model/scripted.ts";
export { testTeam, type TestTeam, type TestTeamOptions } from "./test-team.ts";
