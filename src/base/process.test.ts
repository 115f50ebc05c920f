import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { systemClock } from "./clock.ts";
import { startTimeFromStat, systemProcess } from "./process.ts";

describe("this process among others", () => {
  it("knows itself as alive, and nobody of the same pid and another start time", () => {
    const self = systemProcess();

    expect(self.pid).toBe(process.pid);
    expect(self.startTime).not.toBe("unknown");
    expect(self.bootId).not.toBe("");
    expect(self.isAlive(self.pid, self.startTime)).toBe(true);
    expect(self.isAlive(self.pid, "another time")).toBe(false);
  });

  it("shares its boot, its pid namespace and the clock of the boot with other processes", async () => {
    const self = systemProcess();
    const here = import.meta.dirname;
    const script = `import { systemClock } from ${JSON.stringify(`${here}/clock.ts`)}; import { systemProcess } from ${JSON.stringify(`${here}/process.ts`)};
      const { bootId, pidNamespace } = systemProcess(); console.log(JSON.stringify({ bootId, pidNamespace, atMs: systemClock.monotonicMs() }))`;
    const beforeMs = systemClock.monotonicMs();
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
    const [text] = (await once(child.stdout, "data")) as [Buffer];
    const other = JSON.parse(text.toString()) as { readonly bootId: string; readonly pidNamespace: string; readonly atMs: number };

    expect(other).toMatchObject({ bootId: self.bootId, pidNamespace: self.pidNamespace });
    expect(other.atMs).toBeGreaterThan(beforeMs);
    expect(other.atMs).toBeLessThan(systemClock.monotonicMs());
  });

  it("stands still for as long as it is told", () => {
    const beganMs = systemClock.monotonicMs();
    systemProcess().standStill(30);

    expect(systemClock.monotonicMs() - beganMs).toBeGreaterThanOrEqual(29);
  });

  it("kills a process, knows it as dead then, and takes a second kill as done", async () => {
    const self = systemProcess();
    const child = spawn(process.execPath, ["-e", "setInterval(() => undefined, 1000); console.log('ready')"], { stdio: ["ignore", "pipe", "ignore"] });
    await once(child.stdout, "data");
    const pid = child.pid ?? 0;

    self.kill(pid);
    await once(child, "exit");

    expect(child.signalCode).toBe("SIGKILL");
    expect(self.isAlive(pid, self.startTime)).toBe(false);
    expect(() => self.kill(pid)).not.toThrow();
  });

  it("reads the start time of a process whose name holds brackets, and none of a zombie", () => {
    const rest = Array.from({ length: 18 }, (_, index) => String(index)).join(" ");

    expect(startTimeFromStat(`42 (a) b (c) S ${rest} 777 0`)).toBe("777");
    expect(startTimeFromStat(`42 (sh) Z ${rest} 777 0`)).toBeNull();
  });
});
