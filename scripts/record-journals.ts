import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openDiskTeam, temporaryDirectory } from "../test/fixture/disk-team.ts";
import { readJournal, recordedFolder, scenarios, toText } from "../test/journals/recorded-journal.ts";

// Runs each scenario of test/journals and writes down its journal:
//   npx node --conditions=longhaul-source scripts/record-journals.ts [name...]
// To be run when a scenario is new, and when the loop version or the journal's format was raised. A recorded journal that no longer replays is a run that an
// upgrade would stop: mend the code, or raise the version.
const names = process.argv.slice(2);
const root = join(import.meta.dirname, "..");

for (const { name, about, team, model, input = null, drive } of scenarios) {
  if (names.length > 0 && !names.includes(name)) continue;
  const directory = temporaryDirectory();
  const act = (): void => undefined;
  const opened = await openDiskTeam(team(act), { directory: directory.path, ...(model === undefined ? {} : { model: model(act) }) });
  const submitted = await opened.submit("main", input);
  await opened.settle();
  const taskId = drive === undefined ? submitted : await drive(opened, submitted);
  if (drive === undefined) await opened.result(taskId);
  const recordedAtMs = opened.clock.now();
  await opened.close();
  const journal = readJournal(directory.path, taskId, about, recordedAtMs);
  writeFileSync(join(root, recordedFolder, `${name}.json`), toText(journal));
  process.stdout.write(`${name}: ${journal.steps.length} steps, ${journal.outcome.status}${journal.waits.length === 0 ? "" : `, ${journal.waits.length} waits`}\n`);
  directory.remove();
}
