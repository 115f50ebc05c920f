/** What providers limit. "tokens" are those of prompt and answer together. */
export type LimitName = "requests" | "tokens" | "input-tokens" | "output-tokens";

/** What a provider says of one of its limits beside an answer. */
export interface StatedLimit {
  readonly name: LimitName;
  /** Per minute. */
  readonly max: number | null;
  /** What is left until it is reset. */
  readonly remaining: number | null;
  /** From now until everything is there again. */
  readonly resetMs: number | null;
}
