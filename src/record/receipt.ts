/** What became of one firing of a trigger. Every firing leaves one. */
export type ReceiptResult =
  | { readonly result: "ran"; readonly taskId: string }
  | { readonly result: "coalesced"; readonly taskId: string }
  | { readonly result: "deferred"; readonly reason: string }
  | { readonly result: "skipped"; readonly reason: string };

/** "ran", "coalesced", "deferred(paused)", "skipped(no-work)". */
export function describeReceipt(receipt: ReceiptResult): string {
  return "reason" in receipt ? `${receipt.result}(${receipt.reason})` : receipt.result;
}
