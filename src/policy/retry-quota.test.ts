import { describe, expect, it } from "vitest";
import { RetryQuota } from "./retry-quota.ts";

const limits = { tokensMax: 30, transientCost: 14, throttledCost: 5, successRefund: 1 };

describe("a retry quota", () => {
  it("lets a dependency that is down be asked again 35 times by default, by all callers together", () => {
    const quota = new RetryQuota();
    let taken = 0;
    while (quota.take("transient") !== null) taken++;

    expect(taken).toBe(35);
    expect(quota.take("transient")).toBeNull();
  });

  it("charges a throttled retry less than a transient one", () => {
    const quota = new RetryQuota(limits);

    expect([quota.take("transient"), quota.take("throttled"), quota.take("throttled"), quota.take("throttled")]).toEqual([14, 5, 5, 5]);
    expect(quota.take("throttled")).toBeNull();
    expect(quota.tokens).toBe(1);
  });

  it("gets back what a retry took when it succeeds, a little for each other success, and never more than it had", () => {
    const quota = new RetryQuota(limits);
    const last = quota.take("transient");
    quota.refund(null);
    expect(quota.tokens).toBe(17);

    quota.refund(last);

    expect(quota.tokens).toBe(30);
  });
});
