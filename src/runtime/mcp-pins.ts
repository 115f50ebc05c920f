import type { Clock } from "../base/clock.ts";
import { LonghaulError } from "../base/error.ts";
import { hashOf, isJsonObject, type Json, type JsonObject } from "../base/json.ts";
import { quoteName } from "../base/quote.ts";
import { shellWord } from "../base/shell-word.ts";
import { type RecordFields, toLogRecord } from "../record/log-record.ts";
import type { Write } from "../record/write.ts";
import type { MetaStore, Store } from "../store/store.ts";
import { describeChange, type McpPins, type OfferedTool } from "../tool/mcp-pin.ts";

/** What begins the names of the definitions that are approved, and of those that servers offered instead, among a team's named values. */
const pinPrefix = "mcp-pin ";
const offerPrefix = "mcp-offer ";

/** Different tools of one server that are pinned: a server that invents names without end fills nothing. */
const pinsMax = 1_000;
/** Longer names are no names: the protocol has at most 128 characters. */
const nameLengthMax = 512;
/** A server that offers the approved definition again for so long has gone back to it; until then two versions of it may run side by side. */
const settledAfterMs = 300_000;
/** What a person gives of a hash has to tell the definition that was seen from others; nothing, of a variable that was never set, tells it from none. */
const hashLengthMin = 8;
/** Tries against processes that change the same pin. */
const triesMax = 20;

/** A definition that a person approved, or that was there first. */
interface Pin {
  readonly hash: string;
  readonly definition: JsonObject;
  readonly atMs: number;
  /** "first sight", or who approved it. */
  readonly by: string;
}

/** What a server offered in place of the pinned definition; null hash: nothing, by now. */
interface Offer {
  readonly hash: string | null;
  readonly definition: JsonObject;
  readonly atMs: number;
  /** Whether people were told. */
  readonly told: boolean;
}

export interface McpPinsOptions {
  readonly team: string;
  readonly clock: Clock;
  readonly ids: (prefix: string) => string;
  readonly store: Pick<Store, "meta" | "write">;
}

/** The pins of a team, kept among its named values. */
export function createMcpPins(options: McpPinsOptions): McpPins {
  const { store, clock } = options;
  return {
    async check(server, offered) {
      const [pins, offers] = await Promise.all([readAll(store.meta, pinPrefix, server, parsePin), readAll(store.meta, offerPrefix, server, parseOffer)]);
      const heldBack = new Map<string, string>();
      const writes: Write[] = [];
      const unseen = offered.filter(({ name }) => !pins.has(name) && name.length <= nameLengthMax);
      const room = Math.max(0, pinsMax - pins.size);
      const pinned = await pinAll(options, server, unseen.slice(0, room));
      for (const { name } of offered.filter((tool) => tool.name.length > nameLengthMax)) heldBack.set(name, `A tool of MCP server ${server} was not called: its name has ${name.length} characters, and at most ${nameLengthMax} are taken.`);
      for (const { name } of unseen.slice(room)) heldBack.set(name, `Tool ${quoteName(name)} of MCP server ${server} was not called: the server has had more than ${pinsMax} different tools. Name those that are needed in \`allow\`, or give the server \`pin: false\`.`);
      for (const tool of offered) {
        const pin = pins.get(tool.name) ?? pinned.get(tool.name);
        if (pin === undefined) continue;
        const offer = offers.get(tool.name);
        if (pin.hash !== tool.hash) {
          heldBack.set(tool.name, heldBackReason(server, tool.name));
          if (offer?.hash !== tool.hash) writes.push(...offerWrites(options, server, tool, pin));
        } else if (offer !== undefined && offer.hash !== null && clock.now() - offer.atMs > settledAfterMs) writes.push(offerWrite(server, tool.name, { ...offer, hash: null }));
      }
      if (writes.length > 0) await store.write(writes);
      return heldBack;
    },
  };
}

function heldBackReason(server: string, tool: string): string {
  return `Tool ${quoteName(tool)} of MCP server ${server} was not called: what the server says of it has changed, and no person has approved that yet. Go on without it. (For people: longhaul mcp)`;
}

/** Returns the pin of each, which is another process's where that was faster. */
async function pinAll(options: McpPinsOptions, server: string, tools: readonly OfferedTool[]): Promise<ReadonlyMap<string, Pin>> {
  const { store, clock } = options;
  const made = await Promise.all(tools.map(async ({ name, hash, definition }): Promise<readonly [string, Pin, boolean]> => {
    const pin: Pin = { hash, definition, atMs: clock.now(), by: "first sight" };
    const isMine = await store.meta.swap(nameOf(pinPrefix, server, name), null, { ...pin });
    return [name, isMine ? pin : (parsePin(await store.meta.get(nameOf(pinPrefix, server, name))) ?? pin), isMine];
  }));
  const mine = made.flatMap(([name, , isMine]) => (isMine ? [name] : []));
  if (mine.length > 0) {
    const reason = `${mine.length} ${mine.length === 1 ? "tool" : "tools"} of MCP server ${server}, seen for the first time: what they say of themselves now is what they may say from now on.`;
    await store.write([record(options, options.ids("e"), { event_type: "approval", result: "tools-pinned", reason, data: { server, tools: mine.slice(0, 100) } })]);
  }
  return new Map(made.map(([name, pin]) => [name, pin]));
}

/** The same from whichever process, and however often on one day. */
function offerWrites(options: McpPinsOptions, server: string, tool: OfferedTool, pin: Pin): readonly Write[] {
  const nowMs = options.clock.now();
  const lines = describeChange(pin.definition, tool.definition);
  const reason = `MCP server ${server} changed its tool ${quoteName(tool.name)}, which is not called until a person approves: ${lines.join("; ")}`;
  const id = `mcp/${hashOf(`${server} ${tool.name} ${tool.hash} ${dayOf(nowMs)}`)}`;
  return [
    record(options, id, { event_type: "approval", tool_name: tool.name, result: "tool-changed", reason, data: { server, pinned: pin.hash, offered: tool.hash, changes: [...lines] } }),
    offerWrite(server, tool.name, { hash: tool.hash, definition: tool.definition, atMs: nowMs, told: false }),
  ];
}

export function dayOf(nowMs: number): string {
  return new Date(nowMs).toISOString().slice(0, 10);
}

function offerWrite(server: string, tool: string, offer: Offer): Write {
  return { type: "meta", name: nameOf(offerPrefix, server, tool), value: { ...offer } };
}

function record({ team, clock }: McpPinsOptions, id: string, fields: RecordFields): Write {
  return { type: "record", record: toLogRecord(id, clock.now(), team, fields) };
}

/** A tool of a server as the team holds it. */
export interface McpToolView {
  readonly server: string;
  readonly tool: string;
  readonly state: "pinned" | "changed";
  readonly hash: string;
  readonly sinceMs: number;
  /** "first sight", or who approved it. */
  readonly by: string;
  readonly definition: JsonObject;
  /** What the server offers instead, null unless it changed. */
  readonly offer: { readonly hash: string; readonly atMs: number; readonly definition: JsonObject; readonly changes: readonly string[]; readonly told: boolean } | null;
}

/** Every tool of every server that the team ever saw, by server and name. */
export async function listMcpTools(meta: Pick<MetaStore, "list">, server?: string): Promise<readonly McpToolView[]> {
  const of = server === undefined ? "" : `${server} `;
  const [pins, offers] = await Promise.all([meta.list(pinPrefix + of), meta.list(offerPrefix + of)]);
  const offered = new Map(offers.map(({ name, value }) => [name.slice(offerPrefix.length), parseOffer(value)]));
  return pins.flatMap(({ name, value }) => {
    const pin = parsePin(value);
    return pin === null ? [] : [toView(name.slice(pinPrefix.length), pin, offered.get(name.slice(pinPrefix.length)) ?? null)];
  });
}

/** Those that changed. Reads little when none did. */
export async function listChangedMcpTools(meta: Pick<MetaStore, "list" | "get">): Promise<readonly McpToolView[]> {
  const views = await Promise.all((await meta.list(offerPrefix)).map(async ({ name, value }) => {
    const key = name.slice(offerPrefix.length);
    const offer = parseOffer(value);
    const pin = (offer?.hash ?? null) === null ? null : parsePin(await meta.get(pinPrefix + key));
    return pin === null ? [] : [toView(key, pin, offer)];
  }));
  return views.flat().filter(({ state }) => state === "changed");
}

function toView(key: string, pin: Pin, offer: Offer | null): McpToolView {
  const [server = ""] = key.split(" ", 1);
  const { hash, definition, atMs, by } = pin;
  const changed = offer === null || offer.hash === null || offer.hash === hash ? null : { hash: offer.hash, atMs: offer.atMs, definition: offer.definition, changes: describeChange(definition, offer.definition), told: offer.told };
  return { server, tool: JSON.parse(key.slice(server.length + 1)) as string, state: changed === null ? "pinned" : "changed", hash, sinceMs: atMs, by, definition, offer: changed };
}

/** People know of these now. */
export async function markTold(meta: Pick<MetaStore, "get" | "swap">, tools: readonly McpToolView[]): Promise<void> {
  await Promise.all(tools.map(async ({ server, tool, offer }) => {
    const name = nameOf(offerPrefix, server, tool);
    const stored = await meta.get(name);
    if (isJsonObject(stored) && stored["hash"] === offer?.hash) await meta.swap(name, stored, { ...stored, told: true });
  }));
}

export interface McpApproval {
  readonly server: string;
  readonly tool: string;
  /** The beginning of the hash of the definition that the person saw: another one is not approved. */
  readonly hash?: string;
}

/** What a server offers becomes what its tool may say of itself. Returns the approved hash. @throws {OPTION_INVALID} when there is no such change. @throws {STORE_CONFLICT} */
export async function approveMcpTool(options: McpPinsOptions, { server, tool, hash }: McpApproval, source: string): Promise<string> {
  const { store, clock } = options;
  if (hash !== undefined && hash.length < hashLengthMin) throw new LonghaulError("OPTION_INVALID", `The hash ${JSON.stringify(hash)} says too little of which definition you saw. Give at least ${hashLengthMin} characters of it, as listed by: longhaul mcp ${server}`);
  const [pinName, offerName] = [nameOf(pinPrefix, server, tool), nameOf(offerPrefix, server, tool)];
  for (let tries = 1; tries <= triesMax; tries++) {
    const stored = await store.meta.get(pinName);
    const [pin, offer] = [parsePin(stored), parseOffer(await store.meta.get(offerName))];
    if (pin === null) throw new LonghaulError("OPTION_INVALID", `The team has not seen a tool ${JSON.stringify(tool)} of an MCP server ${JSON.stringify(server)}. See those that it has with: longhaul mcp`);
    if (offer === null || offer.hash === null || offer.hash === pin.hash) throw new LonghaulError("OPTION_INVALID", `The tool ${quoteName(tool)} of MCP server ${server} has not changed, so there is nothing to approve. See: longhaul mcp ${server}`);
    if (hash !== undefined && !offer.hash.startsWith(hash)) throw new LonghaulError("OPTION_INVALID", `The tool ${quoteName(tool)} of MCP server ${server} changed again: it is ${offer.hash.slice(0, 8)} now, not ${hash}. Look at it again with: longhaul mcp ${server} ${shellWord(tool)}`);
    const next: Pin = { hash: offer.hash, definition: offer.definition, atMs: clock.now(), by: source };
    if (!(await store.meta.swap(pinName, stored, { ...next }))) continue;
    const reason = `What MCP server ${server} says of its tool ${quoteName(tool)} was approved by ${source}: ${describeChange(pin.definition, offer.definition).join("; ")}`;
    await store.write([
      record(options, options.ids("e"), { event_type: "approval", tool_name: tool, result: "tool-approved", reason, data: { server, pinned: pin.hash, approved: offer.hash, source } }),
      offerWrite(server, tool, { ...offer, hash: null }),
    ]);
    return offer.hash;
  }
  throw new LonghaulError("STORE_CONFLICT", `The tool ${tool} of MCP server ${server} was changed by others ${triesMax} times while it was to be approved. Type it again.`, { retry: "backoff" });
}

/** Names of servers hold no space. Those of tools may hold anything. */
function nameOf(prefix: string, server: string, tool: string): string {
  return `${prefix}${server} ${JSON.stringify(tool)}`;
}

async function readAll<T>(meta: Pick<MetaStore, "list">, prefix: string, server: string, parse: (value: Json) => T | null): Promise<ReadonlyMap<string, T>> {
  const of = `${prefix}${server} `;
  const parsed = (await meta.list(of)).map(({ name, value }) => [JSON.parse(name.slice(of.length)) as string, parse(value)] as const);
  return new Map(parsed.flatMap(([name, value]) => (value === null ? [] : [[name, value]])));
}

function parsePin(value: Json): Pin | null {
  return isJsonObject(value) && typeof value["hash"] === "string" ? (value as unknown as Pin) : null;
}

function parseOffer(value: Json): Offer | null {
  return isJsonObject(value) && "told" in value ? (value as unknown as Offer) : null;
}
