import { afterAll, describe } from "vitest";
import type { EngineSuite } from "./engine-fixture.testsuite.ts";
import { testActiveTime } from "./engine-active-time.testsuite.ts";
import { testChangedCode } from "./engine-changed.testsuite.ts";
import { testChildGate } from "./engine-child-gate.testsuite.ts";
import { testChildren } from "./engine-children.testsuite.ts";
import { testCompensationRestart } from "./engine-compensation-restart.testsuite.ts";
import { testCompensation } from "./engine-compensation.testsuite.ts";
import { testFork } from "./engine-fork.testsuite.ts";
import { testOperation } from "./engine-operation.testsuite.ts";
import { testRecovery } from "./engine-recovery.testsuite.ts";
import { testReplay } from "./engine-replay.testsuite.ts";
import { testRetention } from "./engine-retention.testsuite.ts";
import { testSkip } from "./engine-skip.testsuite.ts";
import { testStart } from "./engine-start.testsuite.ts";
import { testSteps } from "./engine-steps.testsuite.ts";
import { testWaits } from "./engine-waits.testsuite.ts";

/** The contract of every engine: its invariants E1 to E15, each named by the tests that defend it. */
export function testEngine(suite: EngineSuite): void {
  describe("engine", () => {
    afterAll(() => suite.destroy());
    testStart(suite);
    testSteps(suite);
    testReplay(suite);
    testChangedCode(suite);
    testWaits(suite);
    testActiveTime(suite);
    testChildren(suite);
    testChildGate(suite);
    testRecovery(suite);
    testOperation(suite);
    testFork(suite);
    testSkip(suite);
    testCompensation(suite);
    testCompensationRestart(suite);
    testRetention(suite);
  });
}
