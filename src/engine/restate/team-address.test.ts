import { describe, expect, it } from "vitest";
import { isSameAddress, type LiveWorker, refuseAddress, teamAddress } from "./team-address.ts";

const balancer = "http://workers:9080";
const behind = (position: number, uri = balancer): LiveWorker => ({ position, name: `machine, pid ${position}`, uri, isAdvertised: true, trouble: null });
const alone = (position: number): LiveWorker => ({ ...behind(position, `http://127.0.0.1:${9_000 + position}`), isAdvertised: false });

describe("a team's address", () => {
  it.each([
    { of: "nobody", workers: [], address: null },
    { of: "workers at addresses of their own, the last one's", workers: [alone(1), alone(2)], address: "http://127.0.0.1:9002" },
    { of: "workers behind a balancer, the balancer's, whoever came later", workers: [behind(1), behind(2), alone(3)], address: balancer },
    { of: "workers behind two balancers, the one that was given last", workers: [behind(1), behind(2, "http://new:9080"), alone(3)], address: "http://new:9080" },
  ])("is, of $of", ({ workers, address }) => {
    expect(teamAddress(workers)).toBe(address);
  });

  it("is compared as Restate writes it", () => {
    expect(isSameAddress("http://workers:9080", "http://workers:9080/")).toBe(true);
    expect(isSameAddress("http://workers:9080", "http://workers:9081/")).toBe(false);
  });
});

describe("a worker that comes", () => {
  it.each([
    { who: "first", live: [], coming: alone(1) },
    { who: "beside workers at addresses of their own", live: [alone(1)], coming: alone(2) },
    { who: "behind the same balancer", live: [behind(1)], coming: behind(2) },
    { who: "behind another balancer", live: [behind(1)], coming: behind(2, "http://new:9080") },
    { who: "whose own address is the one that was given", live: [behind(1, "http://127.0.0.1:9002")], coming: alone(2) },
  ])("may say where the team is: $who", ({ live, coming }) => {
    expect(refuseAddress(live, coming, 30_000)).toBeNull();
  });

  it("may not, at an address of its own beside workers behind a balancer, which are named", () => {
    const { code, message } = refuseAddress([1, 2, 3, 4].map((position) => behind(position)), alone(5), 30_000) ?? {};

    expect(code).toBe("OPTION_INVALID");
    expect(message).toBe("Restate would call the team at http://127.0.0.1:9005, this worker alone: 4 workers that live are reached at http://workers:9080 (machine, pid 1; machine, pid 2; machine, pid 3; …). Give --advertise http://workers:9080, with this worker behind it too, or stop the others first; one that was killed counts for 30 s more.");
  });

  it("may not, and what is to be typed is one word of a shell", () => {
    expect(refuseAddress([behind(1, "http://[::1]:9080/a?b&c")], alone(2), 30_000)?.message).toContain("Give --advertise 'http://[::1]:9080/a?b&c', with");
  });
});
