import { syncBuiltinESMExports } from "node:module";

/** Says that code tried to reach the real world, as in "connect to example.com:443"; throws or returns the error to throw. */
export type Refuse = (what: string) => Error;

type Functions = Record<string, unknown>;

const processStarters = ["spawn", "exec", "execFile", "fork", "spawnSync", "execSync", "execFileSync"] as const;
const lookups = /^(lookup|lookupService|resolve\w*|reverse)$/;

/** Takes the ways to sockets, servers, names, processes and threads from all code of this thread, however it imports them. What tries them is told by the error of `refuse`. */
export function refuseRealWorld(refuse: Refuse): void {
  const net = process.getBuiltinModule("node:net");
  replaceMethod(net.Socket.prototype, "connect", (target, host) => refuse(`connect to ${describeAddress(target, host)}`));
  replaceMethod(net.Server.prototype, "listen", (target, host) => refuse(`listen on ${describeAddress(target, host)}`));

  const dgram = process.getBuiltinModule("node:dgram");
  replaceMethod(dgram, "createSocket", () => refuse("open a UDP socket"));
  for (const name of ["bind", "connect", "send"] as const) replaceMethod(dgram.Socket.prototype, name, () => refuse(`${name} a UDP socket`));

  const dns = process.getBuiltinModule("node:dns");
  for (const resolver of [dns, dns.promises, dns.Resolver.prototype, dns.promises.Resolver.prototype]) {
    for (const name of Object.keys(resolver).filter((key) => lookups.test(key))) replaceMethod(resolver, name, (host) => refuse(`look up the name ${describe(host)}`));
  }

  const children = process.getBuiltinModule("node:child_process");
  for (const name of processStarters) replaceMethod(children, name, (command, given) => refuse(`start the process ${describeCommand(command, given)}`));
  replaceMethod(children.ChildProcess.prototype, "spawn", (options) => refuse(`start the process ${describe((options as { readonly file?: unknown }).file)}`));
  replaceMethod(process, "kill", (pid) => refuse(`send a signal to process ${describe(pid)}`));

  const threads = process.getBuiltinModule("node:worker_threads");
  replaceMethod(threads, "Worker", (file) => refuse(`start the thread ${describe(file)}`));
  for (const name of ["WebSocket", "EventSource"]) replaceMethod(globalThis, name, (url) => refuse(`connect to ${describe(url)}`));
  syncBuiltinESMExports();
}

function replaceMethod(owner: object, name: string, error: (...given: readonly unknown[]) => Error): void {
  // Not an arrow function: some of these are called with `new`.
  const refused = function (...given: readonly unknown[]): never {
    throw error(...given);
  };
  const { enumerable = true } = Object.getOwnPropertyDescriptor(owner, name) ?? {};
  Object.defineProperty(owner, name, { value: refused, configurable: true, writable: true, enumerable });
}

/** An address as it is given to `connect` and `listen`: a port and a host, a path, an object of them, or that object in the list which Node hands on. */
function describeAddress(given: unknown, givenHost: unknown): string {
  const target: unknown = Array.isArray(given) ? given[0] : given;
  if (typeof target === "number") return `${typeof givenHost === "string" ? givenHost : "localhost"}:${target}`;
  if (typeof target !== "object" || target === null) return describe(target);
  const { host, port, path } = target as Functions;
  return typeof path === "string" && port === undefined ? path : `${describe(host ?? "localhost")}:${describe(port ?? 0)}`;
}

function describeCommand(command: unknown, given: unknown): string {
  return [command, ...(Array.isArray(given) ? given : [])].map(describe).join(" ");
}

function describe(value: unknown): string {
  if (value instanceof URL) return value.href;
  return typeof value === "string" || typeof value === "number" ? String(value) : JSON.stringify(value) ?? String(value);
}
