import { formatDuration } from "../base/duration.ts";
import { canonicalJson, isJsonObject, type Json, type JsonObject } from "../base/json.ts";
import { describeHealth, type HealthState, type HealthVerdict } from "../record/health.ts";
import type { Notification } from "../record/notification.ts";

/** A notification that still lacks what its sender knows: the team and an id. */
export type NotificationDraft = Omit<Notification, "id" | "team">;

/** What was told of one agent. */
export interface AgentAlert {
  /** The condition that people were told of, "hollow"; null when they know of none, or know that it ended. */
  readonly firing: string | null;
  /** The condition at the last judgement; null when it was good. */
  readonly seen: string | null;
  /** Since when it has been bad without a break. */
  readonly badSinceMs: number | null;
  readonly lastFiredAtMs: number | null;
  /** Alerts that were held back since the last one, because that one was less than a minute old. */
  readonly suppressed: number;
}

/** What people have been told. JSON: the caller keeps it, so that a restart tells nothing twice. */
export interface AlertState {
  readonly version: 1;
  readonly agents: Readonly<Record<string, AgentAlert>>;
  readonly watchdog: AgentAlert;
}

export interface AlertOptions {
  /** How long a condition lasts before people are told again. Default 4 h. */
  readonly renotifyMs?: number;
  /** Why the watchdog cannot judge. Nothing is concluded about the agents then. Default null. */
  readonly blind?: string | null;
}

export interface Alerts {
  /** The very state that was given when there is nothing new to keep. */
  readonly next: AlertState;
  readonly notifications: readonly NotificationDraft[];
}

const renotifyMsDefault = 14_400_000;

/** At most one alert of an agent in this time, however often its condition flaps. */
const firingIntervalMs = 60_000;

const silent: AgentAlert = { firing: null, seen: null, badSinceMs: null, lastFiredAtMs: null, suppressed: 0 };

export const noAlerts: AlertState = { version: 1, agents: {}, watchdog: silent };

/** What is alerted about: an agent, or the watchdog itself. */
interface Finding {
  /** "research", "watchdog". */
  readonly subject: string;
  readonly agent: string | null;
  /** "hollow", "degraded"; null when all is well. */
  readonly condition: string | null;
  readonly severity: "critical" | "warning";
  /** "research is hollow", or what is well again: "research is no longer hollow". */
  readonly title: (prefix: "" | "still" | "no longer", condition: string) => string;
  readonly text: string;
  readonly data: JsonObject;
}

/**
 * Whom to tell what, now. A bad condition is told at once, again when it changes its name and after every `renotifyMs`, and its end is told once.
 * An agent that is no longer among the verdicts is no longer watched: its end is told too.
 */
export function computeAlerts(previous: AlertState, verdicts: readonly HealthVerdict[], nowMs: number, options: AlertOptions = {}): Alerts {
  const { renotifyMs = renotifyMsDefault, blind = null } = options;
  const notifications: NotificationDraft[] = [];
  const settle = (alert: AgentAlert, finding: Finding): AgentAlert => {
    const { next, notification } = finding.condition === null ? computeGood(alert, finding, nowMs) : computeBad(alert, finding, finding.condition, nowMs, renotifyMs);
    if (notification !== null) notifications.push(notification);
    return next;
  };
  const watchdog = settle(previous.watchdog, watchdogFinding(blind));
  if (blind !== null) return { next: keepOrReplace(previous, { ...previous, watchdog }), notifications };
  const watched = new Set(verdicts.map(({ agent }) => agent));
  const gone = Object.keys(previous.agents).filter((agent) => !watched.has(agent));
  const findings = [...verdicts.map(agentFinding), ...gone.map(goneFinding)];
  const settled = findings.map((finding) => [finding.subject, settle(alertOf(previous, finding.subject), finding)] as const);
  // What says no more than silence is forgotten, so that the state stays as small as the trouble.
  const agents = Object.fromEntries(settled.filter(([agent, alert]) => watched.has(agent) && !isForgettable(alert, nowMs)));
  return { next: keepOrReplace(previous, { ...previous, agents, watchdog }), notifications };
}

function keepOrReplace(previous: AlertState, next: AlertState): AlertState {
  return canonicalJson(next as unknown as Json) === canonicalJson(previous as unknown as Json) ? previous : next;
}

interface Settled {
  readonly next: AgentAlert;
  readonly notification: NotificationDraft | null;
}

function computeBad(alert: AgentAlert, finding: Finding, condition: string, nowMs: number, renotifyMs: number): Settled {
  const badSinceMs = alert.badSinceMs ?? nowMs;
  // A clock that was set back makes the last alert lie in the future; it holds nothing back then.
  const sinceFiredMs = alert.lastFiredAtMs === null || alert.lastFiredAtMs > nowMs ? Number.POSITIVE_INFINITY : nowMs - alert.lastFiredAtMs;
  const isRenewal = alert.firing === condition;
  const held = { ...alert, seen: condition, badSinceMs };
  if (isRenewal && sinceFiredMs < renotifyMs) return { next: held, notification: null };
  if (sinceFiredMs < firingIntervalMs) return { next: { ...held, suppressed: alert.suppressed + (alert.seen === condition ? 0 : 1) }, notification: null };
  // The one that is told now was itself held back until now when it was seen before.
  const heldBack = alert.suppressed - (!isRenewal && alert.seen === condition && alert.suppressed > 0 ? 1 : 0);
  const lines = [
    finding.text,
    ...(isRenewal ? [`It has been so for ${formatDuration(nowMs - badSinceMs)}.`] : []),
    ...(heldBack > 0 ? [`Its condition flaps: ${heldBack} more ${heldBack === 1 ? "alert was" : "alerts were"} held back since the last one.`] : []),
  ];
  return {
    next: { firing: condition, seen: condition, badSinceMs, lastFiredAtMs: nowMs, suppressed: 0 },
    notification: toDraft(finding, finding.severity, finding.title(isRenewal ? "still" : "", condition), lines, nowMs, { ...finding.data, badSinceMs, suppressed: heldBack }),
  };
}

function computeGood(alert: AgentAlert, finding: Finding, nowMs: number): Settled {
  const next: AgentAlert = { ...alert, firing: null, seen: null, badSinceMs: null };
  if (alert.firing === null) return { next, notification: null };
  const badMs = nowMs - (alert.badSinceMs ?? nowMs);
  const lines = [finding.text, `It was bad for ${formatDuration(badMs)}.`];
  return { next, notification: toDraft(finding, "resolved", finding.title("no longer", alert.firing), lines, nowMs, { ...finding.data, badMs }) };
}

function toDraft(finding: Finding, severity: NotificationDraft["severity"], title: string, lines: readonly string[], atMs: number, data: JsonObject): NotificationDraft {
  return { atMs, agent: finding.agent, severity, title, text: lines.join("\n"), data };
}

/** Work that is done worse than was asked for is told of too: who pays another model for days wants to know. */
function agentFinding({ agent, bad, health, degraded, evidence }: HealthVerdict): Finding {
  const condition = bad ? describeHealth(health) : degraded === null ? null : "degraded";
  return {
    subject: agent,
    agent,
    condition,
    severity: bad ? "critical" : "warning",
    title: (prefix, condition) => `${agent} is ${prefix}${prefix === "" ? "" : " "}${condition}`,
    text: condition !== null ? `${evidence}\nNext: ${nextCommands(agent, health)}` : `It is ${describeHealth(health)} now. ${evidence}`,
    data: { health: describeHealth(health), evidence },
  };
}

function goneFinding(agent: string): Finding {
  const title: Finding["title"] = (prefix, condition) => `${agent} is ${prefix} ${condition}`;
  return { subject: agent, agent, condition: null, severity: "critical", title, text: "The team no longer has it, so it is not watched any more.", data: { health: null } };
}

function watchdogFinding(blind: string | null): Finding {
  return {
    subject: "watchdog",
    agent: null,
    condition: blind === null ? null : "blind",
    severity: "critical",
    title: (prefix) => (prefix === "no longer" ? "watchdog can judge again" : `watchdog ${prefix === "still" ? "still cannot" : "cannot"} judge`),
    text: blind === null ? "The agents are watched again." : `${blind}\nUntil it can, no agent's health is known. Next: \`longhaul health\` or \`longhaul logs\`.`,
    data: { health: blind === null ? null : "unknown" },
  };
}

function nextCommands(agent: string, health: HealthState): string {
  const commands = ["`longhaul health`", `\`longhaul logs --agent ${agent}\``];
  if ("reason" in health && (health.reason === "unknown-effect" || health.reason === "human")) commands.push("`longhaul approve`");
  return `${commands.join(" or ")}.`;
}

function alertOf({ agents }: AlertState, agent: string): AgentAlert {
  return Object.hasOwn(agents, agent) ? (agents[agent] ?? silent) : silent;
}

function isForgettable({ seen, suppressed, lastFiredAtMs }: AgentAlert, nowMs: number): boolean {
  return seen === null && suppressed === 0 && (lastFiredAtMs === null || nowMs - lastFiredAtMs >= firingIntervalMs);
}

/** Reads a state that was kept as JSON. What cannot be read counts as never told: an alert too many beats one that is lost. */
export function parseAlertState(value: Json): AlertState {
  const stored = isJsonObject(value) ? value : {};
  const agents = isJsonObject(stored["agents"] ?? null) ? Object.entries(stored["agents"] as JsonObject) : [];
  return {
    ...stored,
    version: 1,
    agents: Object.fromEntries(agents.map(([agent, alert]) => [agent, parseAgentAlert(alert)])),
    watchdog: parseAgentAlert(stored["watchdog"] ?? null),
  };
}

function parseAgentAlert(value: Json): AgentAlert {
  const stored = isJsonObject(value) ? value : {};
  const { firing, seen, badSinceMs, lastFiredAtMs, suppressed } = stored;
  return {
    ...stored,
    firing: typeof firing === "string" ? firing : null,
    seen: typeof seen === "string" ? seen : null,
    badSinceMs: typeof badSinceMs === "number" ? badSinceMs : null,
    lastFiredAtMs: typeof lastFiredAtMs === "number" ? lastFiredAtMs : null,
    suppressed: typeof suppressed === "number" ? suppressed : 0,
  };
}
