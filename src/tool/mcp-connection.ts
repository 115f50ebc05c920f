import type * as Sdk from "@modelcontextprotocol/client";
import type { Clock } from "../base/clock.ts";
import { withDeadline } from "../base/deadline.ts";
import { formatDuration } from "../base/duration.ts";
import { LonghaulError } from "../base/error.ts";
import type { JsonObject } from "../base/json.ts";
import type { ChildLedger } from "./child-ledger.ts";
import { boundedFetch, messageBytesMax, networkCode } from "./mcp-http.ts";
import { Catalogue } from "./mcp-catalogue.ts";
import { defaultConnectTimeoutMs, type McpHttpSpec, type McpSpec, type McpStdioSpec } from "./mcp-spec.ts";
import { StdioTransport } from "./mcp-stdio.ts";
import { briefText, thrownText } from "./result.ts";

/** How long a server that seems dead has to answer before it is given up, and a session has to end. */
export const probeTimeoutMs = 5_000;
const terminateTimeoutMs = 2_000;
/** The library's own timers are put out of reach: time is judged by the injected clock alone. */
const libraryTimeoutMs = 2_147_483_647;

/** Why a request has no answer although it was sent: the connection was lost under it. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
  /** True when it was lost because of the size of the answer to this very request. */
  readonly tooLarge: boolean;

  constructor(why: string, tooLarge = false) {
    super(why);
    this.tooLarge = tooLarge;
  }
}

export class RequestTimeout extends Error {
  override readonly name = "RequestTimeout";
}

export interface RequestLimits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

interface Parts {
  readonly client: Sdk.Client;
  readonly transport: StdioTransport | Sdk.StreamableHTTPClientTransport | Sdk.InMemoryTransport;
}

/** An MCP server in this process: `McpServer` of the MCP SDK. */
export interface InProcessMcpServer {
  connect(transport: unknown): Promise<void>;
}

export interface ConnectionOptions {
  readonly spec: McpSpec;
  readonly clock: Clock;
  /** What a stdio child inherits. */
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Makes the server to speak to, in place of the one that `spec` names. */
  readonly inProcess?: (() => InProcessMcpServer) | undefined;
  /** Is told of the stdio child. */
  readonly children?: ChildLedger | undefined;
  /** Is given what still closes in the background when a connection failed or died. */
  readonly track: (closing: Promise<void>) => void;
}

/**
 * One connection to one MCP server, until it dies or is closed. It never reconnects: its owner opens another one.
 *
 * 1. Every request ends by the injected clock, by its signal or by the death of the connection, even if the library never answers.
 * 2. A death is final and ends all requests in flight with `ConnectionLost`.
 * 3. A request that timed out and an error of the stream make it ask the server for a sign of life; silence is death.
 */
export class McpConnection {
  readonly sdk: typeof Sdk;
  readonly #options: ConnectionOptions;
  readonly #parts: Parts;
  readonly #inFlight = new Set<(error: Error) => void>();
  #death: string | null = null;
  #closing: Promise<void> = Promise.resolve();
  #probing: Promise<void> | null = null;
  /** True once the server has said that its tools changed. */
  toolsChanged = false;

  constructor(sdk: typeof Sdk, options: ConnectionOptions, parts: Parts) {
    this.sdk = sdk;
    this.#options = options;
    this.#parts = parts;
    const { client, transport } = parts;
    client.onclose = () => {
      if (transport instanceof StdioTransport) this.fail(transport.closedWhy ?? "its pipe was closed", { tooLarge: transport.overflowed });
      else this.fail("its connection was closed");
    };
    client.onerror = (error) => {
      // Whoever sent what was refused is told so, and decides.
      if (this.#inFlight.size > 0 && !(error instanceof sdk.SdkHttpError)) this.suspect();
    };
    client.setNotificationHandler("notifications/tools/list_changed", () => {
      this.toolsChanged = true;
    });
  }

  /** @throws {MCP_UNAVAILABLE} saying why, with what the server wrote last to stderr. */
  static async open(options: ConnectionOptions): Promise<McpConnection> {
    const sdk = await import("@modelcontextprotocol/client");
    if ("url" in options.spec && options.inProcess === undefined) return connect(sdk, options, "auto");
    try {
      return await connect(sdk, options, "legacy");
    } catch (error) {
      // The server lives and refuses the handshake that nearly all know; asking first would start each server twice.
      if (error instanceof LonghaulError && error.cause instanceof sdk.ProtocolError) return connect(sdk, options, "auto");
      throw error;
    }
  }

  /** Why it is dead; null while it lives. */
  get death(): string | null {
    return this.#death;
  }

  /** True when the server gave this connection a session that it may forget. */
  get hasSession(): boolean {
    const { transport } = this.#parts;
    return transport instanceof this.sdk.StreamableHTTPClientTransport && transport.sessionId !== undefined;
  }

  /** What a stdio server wrote to stdout and is no message; empty when there is none. */
  get strayText(): string {
    const { transport } = this.#parts;
    return transport instanceof StdioTransport ? transport.strayText : "";
  }

  /** All pages within one time limit. @throws {MCP_CATALOGUE_TOO_LARGE} */
  async listTools(limits: RequestLimits): Promise<readonly Sdk.Tool[]> {
    return this.#request(limits, async (client, signal) => {
      const catalogue = new Catalogue(this.#options.spec.name);
      if (client.getServerCapabilities()?.tools === undefined) return catalogue.tools;
      for (let cursor: string | undefined; ; ) {
        const page = await client.request({ method: "tools/list", params: cursor === undefined ? {} : { cursor } }, { signal, timeout: libraryTimeoutMs });
        catalogue.add(page.tools);
        cursor = page.nextCursor;
        if (cursor === undefined) return catalogue.tools;
      }
    });
  }

  /** Asks whether the server still knows this session, before something is sent that must not be sent twice. It is dead afterwards when it does not. */
  async confirm(signal: AbortSignal): Promise<void> {
    // While it works for others it may have no time to say so, and knows the session.
    if (!this.hasSession || this.#inFlight.size > 0) return;
    try {
      const onTimeout = (): Error => new RequestTimeout("no sign of life");
      await withDeadline({ clock: this.#options.clock, timeoutMs: probeTimeoutMs, onTimeout, signal }, (inner) => this.#parts.client.ping({ signal: inner, timeout: libraryTimeoutMs }));
    } catch (error) {
      signal.throwIfAborted();
      // Whatever else is wrong the call itself will meet, and tell better.
      if (error instanceof this.sdk.SdkHttpError ? isForgotten(error) : networkCode(error) !== null) this.fail(thrownText(error));
    }
  }

  /** One call, sent at most once. The output schema is left to the model: an answer that misses it has happened all the same. */
  async callTool(tool: Sdk.Tool, input: JsonObject, idempotencyKey: string, limits: RequestLimits): Promise<Sdk.CallToolResult> {
    const { outputSchema: _unchecked, ...toolDefinition } = tool;
    const call = { name: tool.name, arguments: { ...input }, _meta: { "longhaul/idempotency-key": idempotencyKey } };
    return this.#request(limits, (client, signal) => client.callTool(call, { signal, timeout: libraryTimeoutMs, toolDefinition }));
  }

  /** Declares it dead. What is in flight ends with `ConnectionLost`. */
  fail(why: string, { tooLarge = false }: { readonly tooLarge?: boolean } = {}): void {
    if (this.#death !== null) return;
    this.#death = why;
    const error = new ConnectionLost(why, tooLarge && this.#inFlight.size === 1);
    for (const lose of this.#inFlight) lose(error);
    this.#inFlight.clear();
    this.#closing = closeParts(this.#parts, this.#options.clock);
    this.#options.track(this.#closing);
  }

  /** Asks the server for a sign of life, in the background. */
  suspect(): void {
    if (this.#probing !== null || this.#death !== null) return;
    this.#probing = this.#probe().finally(() => {
      this.#probing = null;
    });
  }

  /** Ends when no sign of life is being waited for: what is sent then does not die with a connection that was dead already. */
  async settled(): Promise<void> {
    await this.#probing;
  }

  close(): Promise<void> {
    this.fail("it was closed");
    return this.#closing;
  }

  async #request<T>({ timeoutMs, signal }: RequestLimits, body: (client: Sdk.Client, signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#death !== null) throw new ConnectionLost(this.#death);
    let lose: (error: Error) => void = () => undefined;
    const lost = new Promise<never>((_, reject) => {
      lose = reject;
    });
    // When the deadline ends before the race begins, nobody else looks at this promise.
    lost.catch(() => undefined);
    this.#inFlight.add(lose);
    const timeout = new RequestTimeout(`it did not answer within ${formatDuration(timeoutMs)}, its requestTimeout`);
    try {
      return await withDeadline({ clock: this.#options.clock, timeoutMs, onTimeout: () => timeout, signal }, (inner) => Promise.race([body(this.#parts.client, inner), lost]));
    } catch (error) {
      if (error === timeout) this.suspect();
      throw error;
    } finally {
      this.#inFlight.delete(lose);
    }
  }

  async #probe(): Promise<void> {
    const onTimeout = (): Error => new Error(`no sign of life within ${formatDuration(probeTimeoutMs)}`);
    try {
      await withDeadline({ clock: this.#options.clock, timeoutMs: probeTimeoutMs, onTimeout }, async (signal) => {
        const { client } = this.#parts;
        const limits = { signal, timeout: libraryTimeoutMs };
        if (client.getProtocolEra() === "modern") await client.request({ method: "tools/list", params: {} }, limits);
        else await client.ping(limits);
      });
    } catch (error) {
      // An error that the server itself sent is a sign of life, unless it says that it has forgotten the session.
      const isAnswer = error instanceof this.sdk.ProtocolError || (error instanceof this.sdk.SdkHttpError && !isForgotten(error));
      if (!isAnswer) this.fail(thrownText(error));
    }
  }
}

/** 404 says that a session is forgotten; servers of the first generation say it with 400. */
export function isForgotten({ status }: Sdk.SdkHttpError): boolean {
  return status === 404 || status === 400;
}

async function connect(sdk: typeof Sdk, options: ConnectionOptions, mode: "auto" | "legacy"): Promise<McpConnection> {
  const { spec, clock, signal } = options;
  const timeoutMs = spec.connectTimeoutMs ?? defaultConnectTimeoutMs;
  let tooLarge: () => void = () => undefined;
  const transport = await createTransport(sdk, options, () => tooLarge());
  const client = new sdk.Client({ name: "longhaul", version: "0.1.0" }, { versionNegotiation: { mode } });
  const parts: Parts = { client, transport };
  try {
    const onTimeout = (): Error => new RequestTimeout(`it did not connect within ${formatDuration(timeoutMs)}, its connectTimeout`);
    await withDeadline({ clock, timeoutMs, onTimeout, signal }, (inner) => client.connect(transport, { signal: inner, timeout: libraryTimeoutMs }));
  } catch (error) {
    const described = connectError(sdk, spec, parts, error);
    options.track(closeParts(parts, clock));
    throw signal.aborted ? signal.reason : described;
  }
  const connection = new McpConnection(sdk, options, parts);
  tooLarge = () => connection.fail(`it sent an answer of more than ${messageBytesMax} bytes`, { tooLarge: true });
  return connection;
}

async function createTransport(sdk: typeof Sdk, options: ConnectionOptions, onTooLarge: () => void): Promise<Parts["transport"]> {
  const { spec, inProcess } = options;
  if (inProcess === undefined) return "url" in spec ? httpTransport(sdk, spec, onTooLarge) : stdioTransport(sdk, spec, options);
  const [near, far] = sdk.InMemoryTransport.createLinkedPair();
  await inProcess().connect(far);
  return near;
}

function stdioTransport(sdk: typeof Sdk, spec: McpStdioSpec, { clock, env, children }: ConnectionOptions): StdioTransport {
  return new StdioTransport({ command: spec.command, args: spec.args ?? [], env: { ...env, ...spec.env }, cwd: spec.cwd, clock, children, parse: (line) => sdk.deserializeMessage(line) });
}

function httpTransport(sdk: typeof Sdk, spec: McpHttpSpec, onTooLarge: () => void): Sdk.StreamableHTTPClientTransport {
  return new sdk.StreamableHTTPClientTransport(new URL(spec.url), {
    requestInit: { headers: { ...spec.headers } },
    fetch: boundedFetch({ bytesMax: messageBytesMax, onTooLarge }),
  });
}

/** What to do about HTTP 401 and 403. */
export function authRemedy(server: string): string {
  return `Check the \`headers\` of mcp({ name: ${JSON.stringify(server)} }): its token may be missing, wrong or expired.`;
}

function connectError(sdk: typeof Sdk, spec: McpSpec, { transport }: Parts, error: unknown): LonghaulError {
  const status = error instanceof sdk.SdkHttpError ? error.status : null;
  const denied = status === 401 || status === 403;
  const where = "url" in spec ? `at ${new URL(spec.url).origin}` : `(${spec.command})`;
  const why = transport instanceof StdioTransport && transport.closedWhy !== null && !(error instanceof RequestTimeout) ? `${briefText(error)}; ${transport.closedWhy}` : briefText(error);
  const stray = transport instanceof StdioTransport && transport.strayText !== "" ? ` It wrote to stdout ${transport.strayText}.` : "";
  const stderr = transport instanceof StdioTransport && transport.stderrText !== "" ? ` It wrote last to stderr:\n${transport.stderrText}` : "";
  const remedy = denied ? authRemedy(spec.name) : "url" in spec ? "Check its url and that it runs." : "Check its command, args, cwd and env.";
  return new LonghaulError(denied ? "MCP_UNAUTHORIZED" : "MCP_UNAVAILABLE", `MCP server ${spec.name} ${where} cannot be used: ${why}. ${remedy}${stray}${stderr}`, { retry: denied ? "never" : "backoff", cause: error, details: { server: spec.name } });
}

/** Ends the session or the child, in bounded time. Never rejects: what cannot be closed is gone already. */
async function closeParts({ client, transport }: Parts, clock: Clock): Promise<void> {
  const late = (): Error => new Error("the server did not end its session in time");
  const attempts = "terminateSession" in transport ? [() => transport.terminateSession(), () => transport.close()] : [() => transport.close()];
  for (const attempt of attempts) {
    // A stdio transport bounds itself; an error here means that there is nothing left to end.
    await (transport instanceof StdioTransport ? attempt() : withDeadline({ clock, timeoutMs: terminateTimeoutMs, onTimeout: late }, attempt)).catch(() => undefined);
  }
  await withDeadline({ clock, timeoutMs: terminateTimeoutMs, onTimeout: late }, () => client.close()).catch(() => undefined);
}
