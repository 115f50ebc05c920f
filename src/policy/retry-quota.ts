/** Retries that one dependency may be asked for before they stop: when it is down, callers together do not multiply what they ask of it. */
export const retryQuotaDefaults = { tokensMax: 500, transientCost: 14, throttledCost: 5, successRefund: 1 } as const;

export type RetryQuotaLimits = { readonly [Name in keyof typeof retryQuotaDefaults]: number };

/** The buckets of all dependencies. */
export class RetryQuotas {
  readonly #quotas = new Map<string, RetryQuota>();

  of(dependency: string): RetryQuota {
    let quota = this.#quotas.get(dependency);
    if (quota === undefined) {
      quota = new RetryQuota();
      this.#quotas.set(dependency, quota);
    }
    return quota;
  }
}

/** What a retry took, to be given back when it succeeds. */
export type RetryTokens = number;

/** A bucket that retries empty and successes fill. The model of the standard retry mode of the AWS SDKs. */
export class RetryQuota {
  readonly #limits: RetryQuotaLimits;
  #tokens: number;

  constructor(limits: RetryQuotaLimits = retryQuotaDefaults) {
    this.#limits = limits;
    this.#tokens = limits.tokensMax;
  }

  get tokens(): number {
    return this.#tokens;
  }

  /** Null when too little is left: the caller gives up for now. */
  take(kind: "transient" | "throttled"): RetryTokens | null {
    const cost = kind === "transient" ? this.#limits.transientCost : this.#limits.throttledCost;
    if (cost > this.#tokens) return null;
    this.#tokens -= cost;
    return cost;
  }

  /** A call succeeded, the last of its retries having taken so much; null when there was none. */
  refund(last: RetryTokens | null): void {
    this.#tokens = Math.min(this.#limits.tokensMax, this.#tokens + (last ?? this.#limits.successRefund));
  }
}
