import type * as Sdk from "@modelcontextprotocol/client";
import { orAborted } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { withDeadline } from "../base/deadline.ts";
import { isLonghaulError, LonghaulError } from "../base/error.ts";
import { isJsonObject, type Json, type JsonObject } from "../base/json.ts";
import { toApproval } from "./approval.ts";
import { reconcileFailed } from "./function-tool.ts";
import type { ChildLedger } from "./child-ledger.ts";
import { callFailure, isGone, mayResend, type McpCallName } from "./mcp-call-failure.ts";
import { assertShowable } from "./mcp-catalogue.ts";
import { authRemedy, type InProcessMcpServer, McpConnection, probeTimeoutMs } from "./mcp-connection.ts";
import { toToolResult } from "./mcp-content.ts";
import { type McpPins, toOfferedTool } from "./mcp-pin.ts";
import { checkMcpSpec, defaultConnectTimeoutMs, defaultRequestTimeoutMs, effectOf, type McpReconcile, type McpSpec, needsApprovalOf, reconcileOf } from "./mcp-spec.ts";
import { toModelToolNames } from "./model-tool-names.ts";
import { briefText, thrownText } from "./result.ts";
import { defaultApprovalWithinMs, type Effect, mcpDependency, type Reconciliation, type Tool, type ToolCallOptions, type ToolResult, type ToolSource } from "./tool.ts";

/** How long the list of tools is trusted when the server says nothing about changes. */
const catalogAgeMsMax = 60_000;
/** How long a tool stays held back after a person approved it elsewhere. */
const heldAgeMsMax = 5_000;

export interface McpSourceOptions {
  readonly clock: Clock;
  /** What a stdio server inherits, instead of the few variables of this process that are safe to hand on. */
  readonly env?: Readonly<Record<string, string>>;
  /** Makes a server in this process, which is spoken to in place of the one that the spec names. For simulations. */
  readonly inProcess?: (() => InProcessMcpServer) | undefined;
  /** Holds back tools that changed. Default: none is. */
  readonly pins?: McpPins | undefined;
  /** Is told of stdio servers. */
  readonly children?: ChildLedger | undefined;
}

/**
 * The tools of one MCP server, over stdio or streamable HTTP. Connects on first use and again after the server died.
 * A call is sent once more on a fresh connection when there was nobody to take it, and, unless its effect is `once`, when the connection failed under it or the server had forgotten the session.
 * @throws {OPTION_INVALID} when the spec is not usable.
 */
export function mcpSource(spec: McpSpec, options: McpSourceOptions): ToolSource {
  checkMcpSpec(spec);
  return new McpSource(spec, options);
}

interface Catalog {
  readonly connection: McpConnection;
  readonly listed: readonly Sdk.Tool[];
  readonly atMs: number;
  /** What agents are shown; made when it is first asked for. */
  shown: Shown | null;
}

interface Shown {
  readonly tools: readonly Tool[];
  /** By the server's own names, why. */
  readonly heldBack: ReadonlyMap<string, string>;
  readonly atMs: number;
}

/** What a call came to, and whether the server itself said so. */
interface Exchange {
  readonly result: ToolResult;
  readonly answered: boolean;
}

class McpSource implements ToolSource {
  readonly name: string;
  readonly #spec: McpSpec;
  readonly #clock: Clock;
  readonly #options: McpSourceOptions;
  readonly #connectTimeoutMs: number;
  readonly #requestTimeoutMs: number;
  readonly #end = new AbortController();
  readonly #closings = new Set<Promise<void>>();
  #opening: Promise<McpConnection> | null = null;
  #connection: McpConnection | null = null;
  #catalog: Catalog | null = null;

  constructor(spec: McpSpec, options: McpSourceOptions) {
    this.name = spec.name;
    this.#spec = spec;
    this.#options = options;
    this.#clock = options.clock;
    this.#connectTimeoutMs = spec.connectTimeoutMs ?? defaultConnectTimeoutMs;
    this.#requestTimeoutMs = spec.requestTimeoutMs ?? defaultRequestTimeoutMs;
  }

  /** @throws {MCP_UNAVAILABLE} {MCP_UNAUTHORIZED} {MCP_TOOL_UNKNOWN} {MCP_CATALOGUE_TOO_LARGE} {MCP_CLOSED} */
  async tools(signal: AbortSignal): Promise<readonly Tool[]> {
    return (await this.#show(await this.#list(signal), signal)).tools;
  }

  async #show(catalog: Catalog, signal: AbortSignal): Promise<Shown> {
    const held = catalog.shown;
    const nowMs = this.#clock.monotonicMs();
    if (held !== null && (held.heldBack.size === 0 || nowMs - held.atMs < heldAgeMsMax)) return held;
    const { listed } = catalog;
    this.#checkNames(listed);
    const { allow } = this.#spec;
    const allowed = allow === undefined ? listed : listed.filter(({ name }) => allow.includes(name));
    assertShowable(this.name, allowed, allow !== undefined);
    const { pins } = this.#options;
    const heldBack = pins === undefined || this.#spec.pin === false ? new Map<string, string>() : await orAborted(signal, () => pins.check(this.name, allowed.map(toOfferedTool)));
    const names = toModelToolNames(listed.map(({ name }) => name));
    catalog.shown = { tools: allowed.map((tool) => this.#toTool(tool, names.get(tool.name) ?? tool.name, heldBack.get(tool.name))), heldBack, atMs: nowMs };
    return catalog.shown;
  }

  /** Ends the session or the child, in bounded time; calls in flight end as `unavailable`. */
  async close(): Promise<void> {
    this.#end.abort(new LonghaulError("MCP_CLOSED", `MCP server ${this.name} was closed. Start the team again.`));
    await this.#opening?.catch(() => undefined); // Whoever waits for it is told; nothing is left to close.
    await this.#connection?.close();
    while (this.#closings.size > 0) await Promise.all(this.#closings);
  }

  #toTool(tool: Sdk.Tool, name: string, heldBack: string | undefined): Tool {
    const reconcile = reconcileOf(this.#spec, tool.name);
    const timeoutMs = this.#connectTimeoutMs + this.#requestTimeoutMs;
    const approval = toApproval<Json>({ clock: this.#clock, timeoutMs, withinMs: this.#spec.approvalWithinMs ?? defaultApprovalWithinMs, needs: needsApprovalOf(this.#spec, tool.name), parse: async (value) => ({ ok: true, value }) });
    const made: Tool = {
      name,
      description: tool.description ?? tool.title ?? "",
      inputSchema: tool.inputSchema as unknown as JsonObject,
      effect: effectOf(this.#spec, tool.name),
      accepts: this.#spec.accepts,
      dependency: mcpDependency(this.name),
      timeoutMs,
      ...(this.#spec.concurrencyMax === undefined ? {} : { concurrencyMax: this.#spec.concurrencyMax }),
      call: (input, options) => this.#call(tool, input, options),
      ...(approval === undefined ? {} : { approval }),
      ...(heldBack === undefined ? {} : { heldBack }),
    };
    return reconcile === undefined ? made : { ...made, reconcile: (input, options) => this.#reconcile(tool, reconcile, input, options) };
  }

  async #call(tool: Sdk.Tool, input: Json, options: ToolCallOptions): Promise<ToolResult> {
    return (await this.#exchange(tool, input, options)).result;
  }

  async #exchange(tool: Sdk.Tool, input: Json, options: ToolCallOptions): Promise<Exchange> {
    const { signal } = options;
    const name: McpCallName = { tool: tool.name, server: this.name };
    const effect = effectOf(this.#spec, tool.name);
    const fields = input === null ? {} : input;
    if (!isJsonObject(fields)) return { answered: false, result: { ok: false, kind: "invalid-input", message: `Tool ${tool.name} was not called: its input must be an object of named fields.` } };
    let connection: McpConnection | null = null;
    try {
      for (let attempt = 1; ; attempt++) {
        connection = null;
        connection = await this.#confirmed(effect, signal);
        const heldBack = await this.#heldBackSince(tool, connection, signal);
        if (heldBack !== undefined) return { answered: false, result: { ok: false, kind: "denied", message: heldBack } };
        try {
          const answer = await connection.callTool(tool, fields, options.idempotencyKey, { signal, timeoutMs: this.#requestTimeoutMs });
          return { answered: true, result: toToolResult(tool.name, answer) };
        } catch (error) {
          if (attempt > 1 || signal.aborted || this.#end.signal.aborted || !mayResend(connection, error, effect)) throw error;
          connection.fail(thrownText(error));
        }
      }
    } catch (error) {
      if (signal.aborted) return { answered: false, result: { ok: false, kind: "canceled", message: `The call of tool ${tool.name} was canceled: ${thrownText(signal.reason)}` } };
      return { answered: connection !== null && error instanceof connection.sdk.ProtocolError, result: callFailure(name, connection, error) };
    }
  }

  /** Why a tool that was not held back when it was listed is so now: another server may have taken the place of the one that listed it, or have said that its tools changed. */
  async #heldBackSince(tool: Sdk.Tool, connection: McpConnection, signal: AbortSignal): Promise<string | undefined> {
    if (this.#options.pins === undefined || this.#spec.pin === false) return undefined;
    if (this.#catalog?.connection === connection && !connection.toolsChanged && this.#catalog.listed.includes(tool)) return undefined;
    return (await this.#show(await this.#list(signal), signal)).heldBack.get(tool.name);
  }

  async #reconcile(tool: Sdk.Tool, reconcile: McpReconcile, input: Json, options: ToolCallOptions): Promise<Reconciliation> {
    const { idempotencyKey } = options;
    const timeoutMs = this.#connectTimeoutMs + this.#requestTimeoutMs;
    const onTimeout = (): Error => new Error(`it did not end within ${timeoutMs} ms`);
    try {
      return await withDeadline({ clock: this.#clock, timeoutMs, onTimeout, signal: options.signal }, async (signal) =>
        reconcile({ input, idempotencyKey, signal, call: (toolName, question) => this.#ask(toolName, question, { ...options, signal }) }));
    } catch (error) {
      if (options.signal.aborted) throw error;
      throw reconcileFailed(tool.name, thrownText(error), error);
    }
  }

  async #ask(toolName: string, input: Json, options: ToolCallOptions): Promise<ToolResult> {
    if (effectOf(this.#spec, toolName) !== "read") {
      throw new LonghaulError("OPTION_INVALID", `A reconcile may call only tools whose effect is "read"; ${toolName} of MCP server ${this.name} is "${effectOf(this.#spec, toolName)}". Declare it in effects if it only reads.`);
    }
    const catalog = await this.#list(options.signal);
    const tool = catalog.listed.find((candidate) => candidate.name === toolName);
    if (tool === undefined) throw this.#unknownTools([toolName], catalog.listed);
    const heldBack = (await this.#show(catalog, options.signal)).heldBack.get(toolName);
    if (heldBack !== undefined) throw new LonghaulError("MCP_TOOL_CHANGED", heldBack);
    const { result, answered } = await this.#exchange(tool, input, options);
    if (!answered && !result.ok) {
      throw new LonghaulError("MCP_UNAVAILABLE", `MCP server ${this.name} gave no answer: ${result.message}`, { retry: "backoff" });
    }
    return result;
  }

  async #list(signal: AbortSignal): Promise<Catalog> {
    for (let attempt = 1; ; attempt++) {
      const connection = await this.#connected(signal);
      const held = this.#catalog;
      if (held?.connection === connection && !connection.toolsChanged && this.#clock.monotonicMs() - held.atMs < catalogAgeMsMax) return held;
      connection.toolsChanged = false;
      try {
        const listed = await connection.listTools({ signal, timeoutMs: this.#requestTimeoutMs });
        return (this.#catalog = { connection, listed, atMs: this.#clock.monotonicMs(), shown: null });
      } catch (error) {
        if (signal.aborted) throw error;
        connection.toolsChanged = true;
        if (attempt > 1 || isLonghaulError(error) || !isGone(connection, error)) throw this.#listFailure(connection, error);
        // Listing changes nothing, so it may be asked again.
        connection.fail(thrownText(error));
      }
    }
  }

  #listFailure({ sdk, strayText }: McpConnection, error: unknown): LonghaulError {
    if (isLonghaulError(error)) return error;
    const denied = error instanceof sdk.SdkHttpError && (error.status === 401 || error.status === 403);
    const remedy = denied ? authRemedy(this.name) : strayText === "" ? "Check that it runs." : `It wrote to stdout ${strayText}.`;
    return new LonghaulError(denied ? "MCP_UNAUTHORIZED" : "MCP_UNAVAILABLE", `MCP server ${this.name} did not list its tools: ${briefText(error)}. ${remedy}`, { retry: denied ? "never" : "backoff", cause: error, details: { server: this.name } });
  }

  /** The live connection; for a call that must not be made twice, one whose session the server still knows. */
  async #confirmed(effect: Effect, signal: AbortSignal): Promise<McpConnection> {
    const connection = await this.#connected(signal);
    if (effect !== "once") return connection;
    await connection.confirm(signal);
    return connection.death === null ? connection : await this.#connected(signal);
  }

  /** The live connection, or one that is opened now; concurrent callers share it. */
  #connected(signal: AbortSignal): Promise<McpConnection> {
    // The attempt and the sign of life bound themselves; this wait adds only the caller's own signal.
    const onTimeout = (): Error => new LonghaulError("MCP_UNAVAILABLE", `MCP server ${this.name} did not connect in time. Check that it runs.`, { retry: "backoff" });
    return withDeadline({ clock: this.#clock, timeoutMs: 3 * this.#connectTimeoutMs + probeTimeoutMs, onTimeout, signal }, async () => {
      await this.#connection?.settled();
      this.#end.signal.throwIfAborted();
      if (this.#connection !== null && this.#connection.death === null) return this.#connection;
      this.#opening ??= this.#open();
      return this.#opening;
    });
  }

  #open(): Promise<McpConnection> {
    const track = (closing: Promise<void>): void => {
      this.#closings.add(closing);
      void closing.finally(() => this.#closings.delete(closing));
    };
    const opening = (async () => {
      try {
        const { inProcess, children } = this.#options;
        const env = this.#options.env ?? (await import("@modelcontextprotocol/client/stdio")).getDefaultEnvironment();
        this.#connection = await McpConnection.open({ spec: this.#spec, clock: this.#clock, env, signal: this.#end.signal, track, inProcess, children });
        return this.#connection;
      } finally {
        this.#opening = null;
      }
    })();
    // Its callers may all have given up by the time it fails.
    opening.catch(() => undefined);
    return opening;
  }

  #checkNames(listed: readonly Sdk.Tool[]): void {
    const named = [...(this.#spec.allow ?? []), ...Object.keys(this.#spec.effects ?? {}), ...Object.keys(this.#spec.needsApproval === true ? {} : (this.#spec.needsApproval ?? {}))];
    const missing = named.filter((name, index) => named.indexOf(name) === index && !listed.some((tool) => tool.name === name));
    if (missing.length > 0) throw this.#unknownTools(missing, listed);
  }

  #unknownTools(missing: readonly string[], listed: readonly Sdk.Tool[]): LonghaulError {
    const has = listed.length === 0 ? "It has no tools." : `It has: ${listed.map((tool) => tool.name).join(", ")}.`;
    return new LonghaulError("MCP_TOOL_UNKNOWN", `MCP server ${this.name} has no tool ${missing.join(", ")}. ${has}`, { retry: "backoff", details: { server: this.name, missing } });
  }
}
