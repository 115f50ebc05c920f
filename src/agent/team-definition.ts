import type { AgentDefinition, FlowDefinition } from "./agent-definition.ts";
import type { Duration } from "../base/duration.ts";
import type { EndpointDefinition } from "./model-reference.ts";
import type { SecretReference } from "./secret.ts";

export interface WebhookDefinition {
  readonly kind: "webhook";
  readonly name: string;
  readonly url: string | SecretReference;
  readonly headers: Readonly<Record<string, string | SecretReference>>;
  readonly signingSecret: SecretReference | null;
}
export interface ConsoleDefinition {
  readonly kind: "console";
  readonly name: string;
}
/** A way to tell people, made by `webhook` or `consoleNotifier`. */
export type NotifierDefinition = WebhookDefinition | ConsoleDefinition;

export interface WebhookSpec {
  readonly url: string | SecretReference;
  /** Default "webhook". */
  readonly name?: string;
  readonly headers?: Readonly<Record<string, string | SecretReference>>;
  /** Signs each body: header `x-longhaul-signature`. */
  readonly signingSecret?: SecretReference;
}

/** Tells people by an HTTP POST (Slack-compatible JSON). */
export function webhook(spec: WebhookSpec): WebhookDefinition {
  // What is not an option is kept, so that validateTeam can refuse it by name.
  return { ...spec, kind: "webhook", name: spec.name ?? "webhook", headers: spec.headers ?? {}, signingSecret: spec.signingSecret ?? null };
}

/** Tells people on the terminal of the running team. */
export function consoleNotifier(): ConsoleDefinition {
  return { kind: "console", name: "console" };
}

/** What `defineTeam` takes. */
export interface TeamSpec {
  readonly name: string;
  readonly agents: readonly AgentDefinition[];
  readonly flows?: readonly FlowDefinition[];
  /** Who is told when something is wrong. Default: the console. */
  readonly notify?: readonly NotifierDefinition[];
  readonly endpoints?: readonly EndpointDefinition[];
  /** What may be asked of an account, by provider ("openai": of each of its accounts) or by model ("openai/gpt-5.2"). Default: what its answers state. */
  readonly limits?: Readonly<Record<string, AccountLimitsSpec>>;
  /** Where the running team copies its data to, and how often. Default: not at all. */
  readonly backup?: BackupSpec;
  /** How long what the team leaves behind is kept. */
  readonly retention?: RetentionSpec;
}

/** Backups that a running team makes of its own data directory. */
export interface BackupSpec {
  /** A directory, best on another disk or machine. Each backup has a name of its own in it. */
  readonly to: string;
  /** Default 1 h. What is lost with the machine is at most what was done in this time, and while the copy was made. */
  readonly every?: Duration;
  /** Backups in `to` that the teams of this data directory made by themselves; older ones are removed when there is a new one. Default 24. */
  readonly keep?: number;
}

/** How long what a team leaves behind is kept. Idempotency keys are kept for 400 days, whatever is forgotten of their tasks. */
export interface RetentionSpec {
  /** The steps of a task, from its end. Default "7d". */
  readonly journals?: Duration;
  /** The same of a task that is dead, until somebody decides on it. Default "90d". */
  readonly deadLetters?: Duration;
  /** Records, transcripts, notifications, what each call cost. Default "30d". */
  readonly records?: Duration;
  /** What agents used, by the hour. Default "400d". */
  readonly rollups?: Duration;
}

/** Limits of one account of a provider in one process. What its answers state counts too, where that is less. */
export interface AccountLimitsSpec {
  readonly requestsPerMinute?: number;
  /** Input and output together. */
  readonly tokensPerMinute?: number;
  /** Calls at once. Default 256. */
  readonly concurrency?: number;
}

/** Agents, flows and notifiers that are run and operated together. */
export interface TeamDefinition {
  readonly kind: "team";
  readonly name: string;
  readonly spec: TeamSpec;
}

/** A team: what is run and operated together. */
export function defineTeam(spec: TeamSpec): TeamDefinition {
  return { kind: "team", name: spec.name, spec };
}
