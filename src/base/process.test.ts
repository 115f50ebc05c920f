import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
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
