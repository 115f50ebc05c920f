import type { Json } from "../base/json.ts";
import { createSecrets } from "../runtime/secrets.ts";

/** Variables that hold a credential. `PWD` is a folder, and `SESSION` what a desktop calls itself. */
export const secretName = /((KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL)S?|_(PASS|PWD|AUTH|COOKIE|JWT|DSN|PAT)|WEBHOOK(_URL)?)$/i;

/** Journals keep what tools returned as it came. What is shown of it lacks what looks like a credential and what this environment keeps under such a name. */
export function createEnvironmentRedactor(environment: Readonly<Record<string, string | undefined>>): <T extends Json>(value: T) => T {
  const secrets = createSecrets((name) => environment[name]);
  for (const name of Object.keys(environment)) if (secretName.test(name)) secrets.variable(name);
  return secrets.redact;
}
