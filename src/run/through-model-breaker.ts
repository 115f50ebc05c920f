import { dependencyOfModel, type ModelOfAccount } from "../policy/model-dependency.ts";
import type { RunScope } from "./run-services.ts";
import { type GuardedCall, throughBreaker } from "./through-breaker.ts";

/**
 * Calls a model of an account: what fails with one key or at one address is called all the same with another. A person keeps a model from being called by its name alone, whatever the account.
 * @throws {BREAKER_OPEN}
 */
export function throughModelBreaker<T>(scope: RunScope, call: Omit<GuardedCall, "dependency"> & ModelOfAccount, body: () => Promise<T>): Promise<T> {
  const { modelId, signal } = call;
  const dependency = dependencyOfModel(call);
  const guarded = (): Promise<T> => throughBreaker(scope, { ...call, dependency }, body);
  return dependency === modelId ? guarded() : throughBreaker(scope, { dependency: modelId, signal, endOf: () => "none" }, guarded);
}
