import type { BudgetSpec, LimitsSpec } from "../../src/agent/agent-definition.ts";
import type { Duration } from "../../src/base/duration.ts";
import type { Fault, ProviderLimits, Script } from "../../src/lab/provider/index.ts";
import type { DeadReason, WaitingReason } from "../../src/record/task.ts";
import type { Hooks } from "./hooks.ts";
import type { World } from "./world.ts";

/** Where the fault is. */
export type Layer = "model" | "stream" | "answer" | "tool" | "mcp" | "process" | "store" | "clock" | "budget" | "human" | "approval" | "chain" | "limiter" | "compensation" | "callee" | "cluster";

/** Where the server of its own process fails once; "none" and "noise" let it live. */
export type StdioPlace = "none" | "start" | "lookUp" | "beforeDelivery" | "afterDelivery" | "noise";

/** What the team runs on: a data file, or Restate and PostgreSQL. */
export type EngineName = "embedded" | "restate";

/** One fault, what is done about it from outside, and what must become of the task. */
export interface FailureCase {
  readonly layer: Layer;
  /** For people; unique within its layer. */
  readonly fault: string;
  /** The one engine on which it means something, and why not on the other. Default: on both. */
  readonly only?: { readonly engine: EngineName; readonly because: string };
  /** Which wire the model is reached by. Default: Anthropic Messages. */
  readonly wire?: "anthropic" | "openai" | "openai-compatible";
  /** What goes wrong with a request to the model, by its number, from 1, and the virtual time since the order came. */
  readonly faults?: (call: number, passedMs: number, wire: SimulatedWire) => Fault | undefined;
  /** What the provider lets an account ask for in a minute, by the virtual time since the order came. */
  readonly provider?: (passedMs: number) => ProviderLimits;
  /** The model, in place of the courier's own. */
  readonly script?: (courier: Script) => Script;
  /** What goes wrong in the tools, in `reconcile` and in `verify`. */
  readonly hooks?: (world: World) => Hooks;
  /** The tools over MCP: a server over HTTP in this process, or a process of its own over stdio, which ends itself once at a place. */
  readonly mcp?: "http" | { readonly stdio: StdioPlace };
  readonly budget?: BudgetSpec;
  readonly limits?: LimitsSpec;
  /** A second model (OpenAI's) stands behind the first. */
  readonly isChain?: true;
  /** A person has to allow each delivery within this time. */
  readonly approvalWithin?: Duration;
  /** Orders beside the one that the line is about: each for a courier of its own, or all for the one that the dispatcher calls. Default 0. */
  readonly others?: number;
  /** A flow takes the order and calls the courier; `saga`: it takes a slot before, and registers what frees it. Default: the courier takes the order. */
  readonly via?: "call" | "saga";
  /** Takes a part of the team away: `reconcile` of the delivery. */
  readonly without?: "reconcile";
  /** Default: midnight. */
  readonly startAtMs?: number;
  /** What happens outside. Default: the task is submitted and waited for. */
  readonly play?: (world: World) => Promise<void>;
  readonly expect: Expectation;
}

export interface Expectation {
  readonly end: "verified" | "degraded" | `dead(${DeadReason})` | `waiting(${WaitingReason})` | "canceled";
  /** How often the order is delivered. */
  readonly deliveries: number;
  /** How what was registered was undone, in the task that does that. Default: there is no such task. */
  readonly undoing?: "unverified" | "dead(compensation-failed)";
  /** Virtual time from the order to its end: exactly so long, or between these. */
  readonly backMs: number | readonly [number, number];
  /** Calls of the model at the most. */
  readonly callsMax: number;
  /** What the ledger may count at the most, in millionths of a dollar. Default: as much as the calls may cost. */
  readonly spentMicroUsdMax?: number;
  /** What the records must say of what the run did, in this order; other entries may stand between. */
  readonly did?: readonly string[];
}

export type SimulatedWire = "anthropic-messages" | "openai-responses" | "openai-chat";

/** A case by name, as `--only` takes it: "model/429 with retry-after in seconds". */
export function nameOf({ layer, fault }: FailureCase): string {
  return `${layer}/${fault}`;
}

/** True where the case means something. */
export function isOn(engine: EngineName, { only }: FailureCase): boolean {
  return only === undefined || only.engine === engine;
}
