import { describeHealth, describeVerdict, type HealthVerdict } from "../../record/health.ts";
import { toQuestionView } from "../../http/question-view.ts";
import { readBackupLog } from "../../runtime/backup-log.ts";
import { dataDirectory } from "../../runtime/data-directory.ts";
import type { CommandContext, ExitCode } from "../command-context.ts";
import { checkBackup } from "../doctor/data-checks.ts";
import { questionsOf, withView } from "../open-view.ts";
import { countOpenTasks } from "../open-task-counts.ts";
import { computeOrphans, describeOrphans } from "../orphaned-tasks.ts";
import type { Output } from "../output.ts";
import { printableLine } from "../printable.ts";
import { describeProcessEnds, findProcessEnds } from "../process-ends.ts";
import { describeDiskStop, readDiskStop } from "../../runtime/disk-watch.ts";
import type { OperatorView } from "../../runtime/operator-view.ts";
import type { OpenQuestion } from "../../runtime/open-questions.ts";
import { countWorkers, findTeamWorkers, type TeamWorker } from "../../runtime/team-workers.ts";
import { ageOf, describeWaitingCall } from "../task-columns.ts";
import { formatTable } from "../table.ts";
import { findPresence, fullRatio } from "../team-presence.ts";
import { describeWorkers } from "../worker-lines.ts";

/** What is wrong, per agent, with the numbers that say so. Ends with 1 when something is bad, when nobody is there for open tasks, or when the team does not run. */
export function runHealth(context: CommandContext): Promise<ExitCode> {
  return withView(context, async (view) => {
    const { output, clock } = context;
    const nowMs = clock.now();
    const [presence, workers, manifest, verdicts, counts, questions, ends, diskStop] = await Promise.all([findPresence(view, nowMs), findTeamWorkers(view), view.manifest(), view.health(nowMs), countOpenTasks(view), questionsOf(view), findProcessEnds(view, nowMs), findDiskStop(view)]);
    const orphans = computeOrphans((manifest?.workers ?? []).map(({ name }) => name), counts);
    const backup = context.store === null && isBackedUp(context.data) ? checkBackup(dataDirectory(context.data), nowMs) : null;
    const isBad = backup?.status === "fail" || !presence.isRunning || presence.isSilent || orphans.length > 0 || ends.isBad || diskStop !== null || verdicts.some(({ bad }) => bad);
    output.data({ team: presence.team, isRunning: presence.isRunning, isSilent: presence.isSilent, supervisor: presence.supervisor, ...(workers === null ? {} : { workers: countWorkers(workers) }), isBad, agents: presence.isRunning ? verdicts.map(toJson) : [], approvals: questions.map(toQuestionView), orphans, backup: backup === null ? null : { status: backup.status, found: backup.found }, process: ends, diskStop });
    const endsText = describeProcessEnds(ends, nowMs);
    const endsLines = endsText === null ? [] : ["", ends.isBad ? output.style("red", endsText) : endsText];
    if (!presence.isRunning) {
      output.say(output.style("red", presence.text), "Nobody works, so there is nothing to judge.", ...endsLines);
      return 1;
    }
    const columns = [
      { title: "agent", value: ({ agent }: HealthVerdict) => agent },
      { title: "health", value: (verdict: HealthVerdict) => output.style(verdict.bad ? "red" : verdict.degraded === null ? "green" : "yellow", describeVerdict(verdict)) },
      { title: "evidence", value: ({ evidence }: HealthVerdict) => printableLine(evidence) },
    ];
    output.say(presence.isSilent ? output.style("red", presence.text) : presence.text, ...workerLines(workers, output), "", ...formatTable(columns, verdicts, { columns: output.columns, styleTitle: (text) => output.style("dim", text) }));
    if (diskStop !== null) output.say("", output.style("red", `${describeDiskStop(diskStop)}${diskStop.sinceMs === null ? "" : ` So for ${ageOf(diskStop.sinceMs, nowMs)}.`}`));
    if (questions.length > 0) output.say("", ...describeWaiting(questions, nowMs));
    if (backup !== null) output.say("", output.style(backup.status === "fail" ? "red" : "dim", `Backup: ${printableLine(backup.found)}`));
    output.say(...endsLines);
    if (orphans.length > 0) output.say("", ...orphans.map((orphan) => output.style("red", describeOrphans(orphan))));
    return isBad ? 1 : 0;
  });
}

function workerLines(workers: readonly TeamWorker[] | null, { style }: Output): readonly string[] {
  if (workers === null) return [];
  const text = describeWorkers(workers);
  return [countWorkers(workers).troubled.length > 0 ? style("yellow", text) : text];
}

/** What the team wrote of its disk; where that is so full that it cannot, what the disk says. */
async function findDiskStop(view: OperatorView): Promise<{ readonly sinceMs: number | null; readonly usedRatio: number } | null> {
  const usedRatio = fullRatio(view.diskUsedRatio());
  return (await readDiskStop(view.store)) ?? (usedRatio === null ? null : { sinceMs: null, usedRatio });
}

/** A team that makes no backups of its own is not judged by them. */
function isBackedUp(data: string): boolean {
  return readBackupLog(dataDirectory(data).path).everyMs !== null;
}

/** Health is told in few lines; all of them are listed by `longhaul approve`. */
const questionsShownMax = 5;

function describeWaiting(questions: readonly OpenQuestion[], nowMs: number): readonly string[] {
  const shown = questions.slice(0, questionsShownMax).map((question) => printableLine(`${question.task.agent}: ${describeWaitingCall(question)}, for ${ageOf(Date.parse(question.askedAt), nowMs)}: longhaul approve`));
  return questions.length > questionsShownMax ? [...shown, `and ${questions.length - questionsShownMax} more calls: longhaul approve`] : shown;
}

function toJson({ agent, health, bad, degraded, evidence, atMs, reviewAtMs }: HealthVerdict): object {
  return { agent, health: describeHealth(health), bad, degraded, evidence, at: new Date(atMs).toISOString(), reviewAt: reviewAtMs === null ? null : new Date(reviewAtMs).toISOString() };
}
