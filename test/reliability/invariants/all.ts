import { everyRunIsUndone } from "./compensations.ts";
import { callsKeepTheirKeys, everyIntentIsClosed, onceHappensOnce } from "./effects.ts";
import { everyBillCounts, nothingElseCounts, receiptsAreSettled, totalsAdd } from "./money.ts";
import { everySignalArrives, noCompletedStepExecutes, noStepExecutesTwiceAtOnce, outcomesComeInOrder, outcomesNeverChange } from "./steps.ts";
import type { Invariant, StoryFacts } from "./story-facts.ts";
import { drainsLoseNothing, everyStatusIsLegal, everyTaskEnds, everyTaskStartsOnce } from "./tasks.ts";
import { everyEventReachesItsSubscribers, everyFiringLeavesOneReceipt, schedulesFireOnce } from "./triggers.ts";
import { transactionsAreSteps } from "./user-tables.ts";

/** What a story must keep that has come to its end, by name. */
export const invariants = {
  everyTaskEnds, everyTaskStartsOnce, everyStatusIsLegal, drainsLoseNothing,
  noCompletedStepExecutes, noStepExecutesTwiceAtOnce, outcomesNeverChange, outcomesComeInOrder, everySignalArrives,
  onceHappensOnce, callsKeepTheirKeys, everyIntentIsClosed,
  everyBillCounts, nothingElseCounts, receiptsAreSettled, totalsAdd,
  everyFiringLeavesOneReceipt, schedulesFireOnce, everyEventReachesItsSubscribers,
  transactionsAreSteps, everyRunIsUndone,
} satisfies Readonly<Record<string, Invariant>>;

export function findViolations(facts: StoryFacts): readonly string[] {
  return Object.entries(invariants).flatMap(([name, find]) => find(facts).map((violation) => `${name}: ${violation}`));
}
