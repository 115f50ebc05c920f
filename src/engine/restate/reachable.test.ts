import { createServer, request } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../base/clock.ts";
import { sharedRestate } from "./fixture/restate-server.ts";
import { assertReachable, troubleAtIngress } from "./reachable.ts";
import { RestateClient } from "./restate-client.ts";

/** Where a proxy leads what begins with this path, to a server. */
async function behind(prefix: string, server: string): Promise<{ readonly address: string; close(): void }> {
  const proxy = createServer((received, response) => {
    const { url = "", method, headers } = received;
    if (!url.startsWith(`${prefix}/`)) {
      response.writeHead(404).end();
      return;
    }
    received.pipe(request(`${server}${url.slice(prefix.length)}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    }));
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return { address: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}${prefix}`, close: () => void proxy.close() };
}

describe("Restate's addresses", () => {
  it.each(["/", "//"])("may end with %s", async (end) => {
    const { ingress, admin } = await sharedRestate();
    const addresses = { ingress: `${ingress}${end}`, admin: `${admin}${end}` };

    await assertReachable(addresses, systemClock);

    expect(await troubleAtIngress(addresses, systemClock)).toBeNull();
    expect(await new RestateClient(addresses, systemClock).addressOf("nowhere")).toBeNull();
    await expect(new RestateClient(addresses, systemClock).sendObject("nowhere", "a", "b")).rejects.toThrow("service 'nowhere' not found");
  });

  it("may have a path, where a proxy leads to it", async () => {
    const { ingress, admin } = await sharedRestate();
    const proxies = [await behind("/restate/in", ingress), await behind("/restate/admin", admin)] as const;
    const addresses = { ingress: proxies[0].address, admin: `${proxies[1].address}/` };

    await assertReachable(addresses, systemClock);

    expect(await new RestateClient(addresses, systemClock).addressOf("nowhere")).toBeNull();
    for (const proxy of proxies) proxy.close();
  });
});
