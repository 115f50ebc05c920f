/** What both sides tell the model. */
export const instructions =
  "You work for a company that answers its customers' questions. For each task, read its fact, deliver the fact to the customer exactly once, and answer with the receipt of the delivery. Never invent a fact or a receipt. When a tool fails, try again.";

export const modelName = "claude-haiku-4-5";

export function promptOf(taskId: string): string {
  return `Work off ${taskId}: read its fact, deliver it once, answer with the receipt.`;
}
