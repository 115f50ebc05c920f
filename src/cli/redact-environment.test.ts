import { expect, it } from "vitest";
import { createEnvironmentRedactor } from "./redact-environment.ts";

it("blanks out what the environment keeps under a secret's name, and what looks like a credential", () => {
  const redact = createEnvironmentRedactor({ CRM_TOKEN: "letmein-42", HOME: "folder-of-ann", EMPTY_KEY: "" });
  const shown = { note: "sent letmein-42 from folder-of-ann", headers: ["Bearer abcdefghijklmnopqrst"] };

  expect(redact(shown)).toEqual({ note: "sent [secret CRM_TOKEN] from folder-of-ann", headers: ["Bearer [secret]"] });
});
