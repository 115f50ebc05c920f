import { type Random, seededRandom } from "../../src/base/random.ts";
import type { DiskImage } from "./disk-image.ts";
import type { Fault, FaultPlan } from "./fault-plan.ts";
import { listPowerCuts } from "./power-cut.ts";
import type { Action, Scenario } from "./scenario.ts";
import type { Moment, OnMoment, Session } from "./session.ts";
import { type Alarm, storyAtMs, type StoryEnd, tellStory } from "./story.ts";
import { stormyWeather, type Weather } from "./weather.ts";
import { eventsOf } from "./world.ts";

export interface SeedEnd extends Pick<StoryEnd, "commits" | "sessions" | "violations" | "log"> {
  /** How many of the faults came to pass: a story may end before a commit of that number, or no process live at that instant. */
  readonly occurred: number;
}

/** Tells the story of a plan to its end and judges it. */
export async function tellPlan(plan: FaultPlan, folder: string): Promise<SeedEnd> {
  const faults = plan.faults.filter((fault) => instantOf(fault) <= plan.horizonMs);
  const random = seededRandom(`reliability ${plan.seed}`);
  const skew = { ms: 0 };
  const disk = new Disk(faults);
  const occurred = new Set<Fault>();
  const end = await tellStory({
    folder,
    scenario: withActions(plan, faults),
    seed: `reliability ${plan.seed}`,
    weather: weatherOf(plan, faults, occurred),
    alarms: [...clockAlarms(faults, skew), ...disk.alarms(), ...killAlarms(faults)].map((alarm) => noted(alarm, occurred)),
    onMoment: new Deaths(faults, { disk, occurred, random: random.split("cuts") }).look,
    downMs: (crash) => Math.round(30_000 * random.split(`down/${crash}`).next() ** 3),
    skewMs: () => skew.ms,
  });
  for (const fault of faults) if (fault.kind === "action" && eventsOf(end.log, "acted").some(({ action }) => action === fault.action.id)) occurred.add(fault);
  return { ...end, occurred: occurred.size };
}

function instantOf(fault: Fault): number {
  if (fault.kind === "action") return fault.action.atMs;
  return "atMs" in fault ? fault.atMs : 0;
}

function withActions({ scenario, horizonMs }: FaultPlan, faults: readonly Fault[]): Scenario {
  const added = faults.flatMap((fault) => (fault.kind === "action" ? [fault.action] : []));
  const usual = scenario.actions.filter(({ atMs }) => atMs <= horizonMs);
  const isKnown = (action: Action): boolean => !("of" in action) || usual.some(({ id }) => id === action.of);
  const canceled = added.flatMap((action) => (action.type === "cancel" ? [action.of] : []));
  const keys = usual.flatMap((action) => (action.type === "submit" && canceled.includes(action.id) ? [action.key] : []));
  // A task that is canceled may have ended before. Whoever submitted it again, under its key, is told of the same one.
  const actions = [...usual, ...added].filter(isKnown).map((action): Action => (action.type === "submit" && keys.includes(action.key) ? { ...action, ends: ["done", "dead", "canceled"] } : action));
  return { ...scenario, actions, horizonMs: Math.min(scenario.horizonMs ?? 0, horizonMs) };
}

function weatherOf({ seed, horizonMs }: FaultPlan, faults: readonly Fault[], occurred: Set<Fault>): Weather {
  const ratioOf = (kind: "models" | "tools"): number => faults.reduce((ratio, fault) => (fault.kind === kind ? fault.ratio : ratio), 0);
  const weather = stormyWeather(`weather ${seed}`, { isUneven: faults.some(({ kind }) => kind === "slow"), modelErrorRatio: ratioOf("models"), toolErrorRatio: ratioOf("tools"), untilMs: storyAtMs + horizonMs });
  const told = <T>(kind: Fault["kind"], value: T, isFault: boolean): T => {
    for (const fault of faults) if (isFault && fault.kind === kind) occurred.add(fault);
    return value;
  };
  const notedError = (kind: Fault["kind"], error: Error | null): Error | null => told(kind, error, error !== null);
  return {
    latencyMs: (what, usualMs) => told("slow", weather.latencyMs(what, usualMs), true),
    modelError: (what, atMs) => notedError("models", weather.modelError(what, atMs)),
    toolError: (what, atMs) => notedError("tools", weather.toolError(what, atMs)),
  };
}

/** What rings when a fault comes to pass, or to its end. */
type FaultAlarm = Alarm & { readonly fault: Fault };

function noted({ fault, atMs, ring }: FaultAlarm, occurred: Set<Fault>): Alarm {
  return {
    atMs,
    ring(session) {
      occurred.add(fault);
      ring(session);
    },
  };
}

function clockAlarms(faults: readonly Fault[], skew: { ms: number }): readonly FaultAlarm[] {
  return faults.flatMap((fault) => {
    if (fault.kind !== "clock") return [];
    const ring = ({ outside }: Session): void => {
      skew.ms += fault.byMs;
      outside.note({ type: "stepped", byMs: fault.byMs });
    };
    return [{ fault, atMs: storyAtMs + fault.atMs, ring }];
  });
}

function killAlarms(faults: readonly Fault[]): readonly FaultAlarm[] {
  return faults.flatMap((fault) => (fault.kind === "kill" ? [{ fault, atMs: storyAtMs + fault.atMs, ring: (session: Session) => session.ring() }] : []));
}

/** A disk that is full from time to time. A process that starts meanwhile finds it so. */
class Disk {
  readonly #times: readonly Extract<Fault, { readonly kind: "full" }>[];

  constructor(faults: readonly Fault[]) {
    this.#times = faults.filter((fault) => fault.kind === "full");
  }

  alarms(): readonly FaultAlarm[] {
    return this.#times.flatMap((fault) => [
      { fault, atMs: storyAtMs + fault.atMs, ring: (session: Session) => fill(session, fault.pages) },
      { fault, atMs: storyAtMs + fault.atMs + fault.forMs, ring: (session: Session) => session.limitPages(null) },
    ]);
  }

  /** How many pages are left at this instant; null when there is room. */
  pagesLeft(atMs: number): number | null {
    return this.#times.find((time) => atMs >= storyAtMs + time.atMs && atMs < storyAtMs + time.atMs + time.forMs)?.pages ?? null;
  }
}

function fill(session: Session, pages: number): void {
  session.outside.note({ type: "filled" });
  session.limitPages(pages);
}

/** Decides at each moment whether the process dies of one of the faults, and what it leaves. */
class Deaths {
  readonly #disk: Disk;
  readonly #occurred: Set<Fault>;
  readonly #random: Random;
  readonly #open: Set<Fault>;
  #connection: Moment["db"] = null;
  #before: DiskImage | null = null;

  constructor(faults: readonly Fault[], { disk, occurred, random }: { readonly disk: Disk; readonly occurred: Set<Fault>; readonly random: Random }) {
    this.#disk = disk;
    this.#occurred = occurred;
    this.#random = random;
    this.#open = new Set(faults.filter(({ kind }) => kind === "crash" || kind === "power"));
  }

  readonly look: OnMoment = (moment) => {
    if (moment.kind === "alarm") return moment.image();
    if (moment.kind === "event") return null;
    this.#meetDisk(moment);
    const commit = moment.kind === "before" ? moment.commits + 1 : moment.commits;
    const due = [...this.#open].find((fault) => "commit" in fault && fault.commit <= commit && (fault.kind === "power" || fault.when === moment.kind));
    if (due === undefined) return null;
    if (due.kind === "power" && moment.kind === "before") {
      this.#before = moment.image();
      return null;
    }
    this.#open.delete(due);
    this.#occurred.add(due);
    return due.kind === "crash" ? moment.image() : this.#cut(moment);
  };

  /** What one of the ways to cut the power during this commit leaves. */
  #cut(moment: Moment): DiskImage {
    const after = moment.image();
    const before = this.#before ?? after;
    this.#before = null;
    const cuts = listPowerCuts({ synced: before, before, after }, this.#random);
    return cuts[Math.floor(this.#random.next() * cuts.length)]?.image ?? after;
  }

  /** A new life of the process that begins on a full disk. */
  #meetDisk({ db, atMs, kind }: Moment): void {
    if (kind !== "before" || db === null || db === this.#connection) return;
    this.#connection = db;
    const pages = this.#disk.pagesLeft(atMs);
    if (pages !== null) db.exec(`PRAGMA max_page_count = ${Number(db.get("PRAGMA page_count")?.["page_count"]) + pages}`);
  }
}
