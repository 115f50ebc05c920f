import { expect, it } from "vitest";
import { toFailure } from "../record/failure.ts";
import type { DeadReason } from "../record/task.ts";
import { endOfCallee } from "./callee-end.ts";

const dead = (reason: DeadReason) => endOfCallee({ status: "dead", reason, failure: toFailure(new Error("broken")), evidence: null });

it.each(["failed", "auth", "billing", "looping", "deadline", "active-time", "recovery-limit", "empty", "truncated", "invalid-output", "turn-limit"] as const)("a callee that dies of %s could not do its work", (reason) => expect(dead(reason)).toBe("bad"));
it.each(["rejected", "refused"] as const)("a callee that dies of %s did its work, and said no", (reason) => expect(dead(reason)).toBe("good"));
it.each(["invalid-input", "not-accepted"] as const)("a callee that dies of %s was given nothing to work on", (reason) => expect(dead(reason)).toBe("none"));
it("one that is done is good whatever its outcome, and one that somebody canceled says nothing", () => {
  for (const outcome of ["verified", "unverified", "degraded"] as const) expect(endOfCallee({ status: "done", outcome, output: null, evidence: null, reason: null })).toBe("good");
  expect(endOfCallee({ status: "canceled", reason: "not wanted" })).toBe("none");
});
