import { existsSync } from "node:fs";
import type { TeamDefinition } from "../../agent/team-definition.ts";
import { assertTeam } from "../../agent/validate-team.ts";
import { messageOf } from "../../base/error.ts";
import { type ExamineOptions, type Examined, examineMcpServers, examineModels, examineNotifiers } from "../../runtime/examine-team.ts";
import { loadTeam } from "../load-team.ts";
import { type Check, fail, ok, skipped, warn } from "./check.ts";

/** Looked for where no file is named. */
const usualFile = "team.ts";

export interface TeamChecksOptions extends ExamineOptions {
  /** Null: the usual one, where there is one. */
  readonly file: string | null;
  /** The team of the data; null: none. */
  readonly dataTeam: string | null;
  /** Told of a file that ends the process. */
  readonly tell: (error: Error) => void;
}

/** The file of a team, and what it needs of the outside: keys, MCP servers, people. */
export async function checkTeam(options: TeamChecksOptions): Promise<{ readonly checks: readonly Check[]; readonly team: TeamDefinition | null }> {
  const { file, dataTeam, tell } = options;
  const path = file ?? (existsSync(usualFile) ? usualFile : null);
  if (path === null) return { checks: [skipped("team", "no file of a team was named, and there is no team.ts here: models, MCP servers and notifiers were not looked at", "longhaul doctor <team.ts>")], team: null };
  let team: TeamDefinition;
  try {
    team = assertTeam(await loadTeam(path, tell));
  } catch (error) {
    return { checks: [fail("team", messageOf(error), "Mend what the message names.")], team: null };
  }
  const isOther = dataTeam !== null && dataTeam !== team.name;
  const name = `${team.name}, ${team.spec.agents.length} agents`;
  const loaded = isOther ? warn("team", `${name}; the data is that of ${dataTeam}`, "Name the directory of this team with --data, or the file of that one.") : ok("team", name);
  const [models, servers] = await Promise.all([examineModels(team, options), examineMcpServers(team, options)]);
  return {
    checks: [
      loaded,
      ...models.map((model) => toCheck("model", model, "Set what the message names, for the process of the team.")),
      ...servers.map((server) => toCheck("MCP server", server, "Start it, or mend its command, address or headers.")),
      ...checkNotifiers(examineNotifiers(team, options)),
    ],
    team,
  };
}

function toCheck(what: string, { name, problem, found }: Examined, next: string): Check {
  return problem === null ? ok(`${what} ${name}`, found) : fail(`${what} ${name}`, problem, next);
}

function checkNotifiers(notifiers: readonly Examined[]): readonly Check[] {
  if (notifiers.every(({ name }) => name === "console")) return [warn("notifier", "people are told on the terminal of the team only", "Add notify: [webhook({ url })] to defineTeam.")];
  return notifiers.map((notifier) => toCheck("notifier", notifier, "Set what the message names, for the process of the team."));
}
