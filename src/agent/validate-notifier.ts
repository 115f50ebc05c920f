import { checkOptionNames, optionNames } from "./option-names.ts";
import type { Report } from "./problem.ts";
import { isSecretReference } from "./secret.ts";
import { checkName, checkSecret, checkTexts, checkUrl, type Fields } from "./value-checks.ts";

/** Reports what is wrong with one entry of the team's `notify`. */
export function validateNotifier(report: Report, notifier: Fields): void {
  const { kind } = notifier;
  if (kind !== "webhook" && kind !== "console") {
    report("kind", kind, "Make it with webhook({ url }) or consoleNotifier().");
    return;
  }
  checkOptionNames(report, "", notifier, optionNames[kind]);
  checkName(report, "name", notifier["name"]);
  if (kind === "console") return;
  if (isSecretReference(notifier["url"])) checkSecret(report, "url", notifier["url"]);
  else checkUrl(report, "url", notifier["url"]);
  checkTexts(report, "headers", notifier["headers"]);
  if (notifier["signingSecret"] !== null) checkSecret(report, "signingSecret", notifier["signingSecret"]);
}
