import { checkOptionNames, optionNames } from "./option-names.ts";
import type { Report } from "./problem.ts";
import { checkBoolean, checkFunction, checkName, checkSecret, checkUrl, type Fields } from "./value-checks.ts";

const wires: readonly unknown[] = ["anthropic", "openai", "openai-compatible"];

/** Reports what is wrong with one entry of the team's `endpoints`. */
export function validateEndpoint(report: Report, endpoint: Fields): void {
  if (endpoint["kind"] !== "endpoint") {
    report("kind", endpoint["kind"], "Make it with endpoint({ name, baseUrl }).");
    return;
  }
  checkOptionNames(report, "", endpoint, optionNames.endpoint);
  checkName(report, "name", endpoint["name"]);
  if (!wires.includes(endpoint["wire"])) report("wire", endpoint["wire"], `Use one of ${wires.join(", ")}.`);
  checkUrl(report, "baseUrl", endpoint["baseUrl"]);
  if (endpoint["apiKey"] !== null) checkSecret(report, "apiKey", endpoint["apiKey"]);
  checkBoolean(report, "simulated", endpoint["simulated"]);
  if (endpoint["priceAs"] !== null) checkPricedModel(report, endpoint["priceAs"]);
  if (endpoint["fetch"] !== null) checkFunction(report, "fetch", endpoint["fetch"]);
}

function checkPricedModel(report: Report, value: unknown): void {
  if (typeof value !== "string" || !/^[^/\s]+\/\S+$/.test(value)) report("priceAs", value, 'Use the "provider/model" whose price counts, such as "anthropic/claude-haiku-4-5".');
}
