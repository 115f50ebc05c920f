import { type BreakerConfig, breakerDefaults, calleeBreakerDefaults } from "./breaker.ts";

/** What the breaker of an agent or flow is called by which others call it. */
export function dependencyOfCallee({ kind, name }: { readonly kind: "agent" | "flow"; readonly name: string }): string {
  return `${kind} ${name}`;
}

export function isCallee(dependency: string): boolean {
  return dependency.startsWith("agent ") || dependency.startsWith("flow ");
}

export function breakerConfigOf(dependency: string): BreakerConfig {
  return isCallee(dependency) ? calleeBreakerDefaults : breakerDefaults;
}
