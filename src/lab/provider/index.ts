// The door `longhaul/simulator`: model providers, simulated.

// serving
export { createProviderSimulator, type ProviderSimulator, type ProviderSimulatorOptions } from "./provider-simulator.ts";
export { type ProviderSimulatorServer, serveProviderSimulator, type ServeProviderSimulatorOptions } from "./serve-provider-simulator.ts";

// scripts
export { defaultScript } from "./default-script.ts";
export {
  type ReplyPart,
  replyObject,
  replyRefusal,
  replyText,
  replyToolCall,
  replyToolCalls,
  type Script,
  type ScriptContext,
  type SimulatedReply,
  type SimulatedUsage,
  type StopReason,
} from "./simulated-reply.ts";
export {
  currentTurnOf,
  lastUserTextOf,
  type SimulatedMessage,
  type SimulatedPart,
  type SimulatedRequest,
  type SimulatedResponseFormat,
  type SimulatedTool,
  type SimulatedToolCall,
  type SimulatedToolChoice,
  type SimulatedToolResult,
  toolCallsOf,
  toolResultsOf,
  type Wire,
} from "./simulated-request.ts";
export { synthesizeValue } from "./schema-value.ts";

// faults and receipts
export type { FaultFunction, FaultPlan } from "./choose-fault.ts";
export type { Alteration, Fault } from "./fault.ts";
export { faultModelNames, faultNamed, faultNames } from "./named-fault.ts";
export type { NetworkFailure } from "./network-failure.ts";
export type { ProviderLimits } from "./rate-window.ts";
export type { Receipt, ReceiptOutcome } from "./receipt.ts";
export type { StreamErrorName } from "./stream-error.ts";
export type { FailureReason, StatedWait } from "./wire-format.ts";
