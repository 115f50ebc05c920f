import { hashOf } from "../base/json.ts";

export interface ModelOfAccount {
  /** "anthropic/claude-sonnet-5-5". */
  readonly modelId: string;
  /** See `Model.account`. */
  readonly account: string;
  readonly provider: string;
}

const markLength = 8;
const ofAccount = /^(.+) [0-9a-f]{8}$/;
/** What begins the names of other dependencies, whose own names may look like a mark. */
const ofOthers = /^(?:agent|flow|tool|MCP server) /;

/** What the breaker of a model is called: the model, and a mark of the account (address and key) where it is known. */
export function dependencyOfModel({ modelId, account, provider }: ModelOfAccount): string {
  return account === provider ? modelId : `${modelId} ${hashOf(account).slice(0, markLength)}`;
}

/** The model of a dependency that is a model of an account; null of any other. */
export function modelOfDependency(dependency: string): string | null {
  return ofOthers.test(dependency) ? null : (ofAccount.exec(dependency)?.[1] ?? null);
}
