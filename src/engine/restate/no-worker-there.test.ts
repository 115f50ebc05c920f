import { expect, it } from "vitest";
import { LonghaulError, messageOf } from "../../base/error.ts";
import { noWorkerThere } from "./no-worker-there.ts";

const key = "publickeyv1_a";
const refused = (answer: string): LonghaulError => new LonghaulError("ENGINE_UNREACHABLE", `Restate refused POST http://r:9070/deployments with 500: ${answer}`, { retry: "backoff" });
const tell = (error: unknown, isAdvertised = true, identityKeys: readonly string[] = []): string => messageOf(noWorkerThere(error, { uri: "http://workers:9080", isAdvertised }, { admin: "http://r:9070", identityKeys }));

it("names the option, its value and what to do", () => {
  const silent = refused("error when calling 'http://workers:9080/': h2 pool connection error: Connection refused (os error 111)");

  expect(tell(silent)).toBe("--advertise is http://workers:9080, and Restate finds no worker there (h2 pool connection error: Connection refused (os error 111)): give the address under which Restate reaches this team's workers.");
  expect(tell(silent, false)).toBe("Restate finds no worker at http://workers:9080, where this one listens (h2 pool connection error: Connection refused (os error 111)): give --listen an address that Restate reaches, or --advertise the one under which it reaches this worker.");
  expect(tell(refused("got status code '404 Not Found'. Body: {}"))).toContain("(it is answered with 404)");
});

it("names the key when the call is refused for it, and only then", () => {
  const unauthorized = refused("got status code '401 Unauthorized'. Body: {}");

  expect(tell(unauthorized, true, [key])).toBe("--identity-key publickeyv1_a is not the public key of the Restate at http://r:9070, whose call to http://workers:9080 was refused with 401: give the one that this Restate names when it starts.");
  expect(tell(unauthorized)).toContain("--advertise is");
});

it("leaves what is not about the address as it is", () => {
  const away = new LonghaulError("ENGINE_UNREACHABLE", "Restate does not answer at http://r:9070: away.");

  expect(noWorkerThere(away, { uri: "http://workers:9080", isAdvertised: true }, { admin: "http://r:9070", identityKeys: [key] })).toBe(away);
});
