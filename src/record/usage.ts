/** Tokens of one or more model calls. `inputTokens` includes the cached ones. */
export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  readonly reasoningTokens: number;
}

export const noUsage: Usage = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 };

/** Input and output tokens together: what `tokens_used` of a record counts. */
export function totalTokens(usage: Usage): number {
  return usage.inputTokens + usage.outputTokens;
}
