/** What a unit names. Every path is absolute. */
export interface UnitOptions {
  readonly name: string;
  readonly node: string;
  /** What `longhaul` is, as a file that Node runs. */
  readonly program: string;
  readonly teamFile: string;
  readonly project: string;
  readonly data: string;
  readonly user: string;
  readonly drainMs: number;
  /** Of `longhaul start`, besides those above. */
  readonly options: readonly string[];
}

/** After its drain, a worker that does not end is killed within 10 s. */
const stopAfterDrainMs = 20_000;

/** A unit of systemd that runs a team for months: the supervisor is its main process, and tells it how the team fares. */
export function systemdUnit({ name, node, program, teamFile, project, data, user, drainMs, options }: UnitOptions): string {
  const command = [node, program, "start", teamFile, "--data", data, "--plain", "--drain", `${drainMs}ms`, ...options].map(quote).join(" ");
  return `[Unit]
Description=Longhaul team ${specifiersEscaped(name)}
Wants=network-online.target
After=network-online.target
# It is started again for ever: what it was refused for may be mended meanwhile.
StartLimitIntervalSec=0

[Service]
# The supervisor tells by systemd-notify, a process of its own, when the team works.
Type=notify
NotifyAccess=all
WatchdogSec=60
TimeoutStartSec=300
ExecStart=${command}
WorkingDirectory=${specifiersEscaped(project)}
User=${user}
# Keys of providers, LONGHAUL_STORE of a cluster, and what else the team reads from its environment: NAME=value, one a line.
EnvironmentFile=-${specifiersEscaped(project)}/.env
UMask=0077
Restart=always
RestartSec=2
# Wrong usage does not mend itself.
RestartPreventExitStatus=2
# SIGTERM drains. It goes to the supervisor alone: steps under way keep their MCP servers.
KillMode=mixed
TimeoutStopSec=${Math.ceil((drainMs + stopAfterDrainMs) / 1_000)}
# A worker that the system ended for want of memory is the supervisor's to replace.
OOMPolicy=continue

[Install]
WantedBy=multi-user.target
`;
}

/** As systemd reads a word of a command line. */
function quote(word: string): string {
  const escaped = specifiersEscaped(word).replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("$", "$$$$");
  return /^[\w./:%@+-]+$/.test(escaped) ? escaped : `"${escaped}"`;
}

function specifiersEscaped(text: string): string {
  return text.replaceAll("%", "%%");
}
