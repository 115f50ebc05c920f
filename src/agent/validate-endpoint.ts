import { checkOptionNames, optionNames } from "./option-names.ts";
import type { Report } from "./problem.ts";
import { checkBoolean, checkFields, checkFunction, checkName, checkNumber, checkSecret, checkUrl, type Fields } from "./value-checks.ts";

const wires: readonly unknown[] = ["anthropic", "openai", "openai-compatible"];

/** Reports what is wrong with one entry of the team's `endpoints`. */
export function validateEndpoint(report: Report, endpoint: Fields): void {
  if (endpoint["kind"] !== "endpoint") {
    report("kind", endpoint["kind"], "Make it with endpoint({ name, baseUrl }).");
    return;
  }
  checkOptionNames(report, "", endpoint, optionNames.endpoint);
  checkName(report, "name", endpoint["name"]);
  if (endpoint["wire"] !== null && !wires.includes(endpoint["wire"])) report("wire", endpoint["wire"], `Use one of ${wires.join(", ")}.`);
  checkUrl(report, "baseUrl", endpoint["baseUrl"]);
  if (endpoint["apiKey"] !== null) checkSecret(report, "apiKey", endpoint["apiKey"]);
  checkBoolean(report, "simulated", endpoint["simulated"]);
  if (endpoint["priceAs"] !== null) checkPricedModel(report, endpoint["priceAs"]);
  checkPrices(report, endpoint["prices"]);
  if (endpoint["fetch"] !== null) checkFunction(report, "fetch", endpoint["fetch"]);
}

/** Dollars per million tokens that no model costs. */
const priceMax = 100_000;

function checkPrices(report: Report, value: unknown): void {
  const prices = checkFields(report, "prices", value, 'Use { "model": { input: 1, output: 5 } }, in dollars per million tokens.');
  for (const [model, price] of Object.entries(prices ?? {})) {
    const fields = checkFields(report, `prices.${model}`, price, "Use { input: 1, output: 5 }, in dollars per million tokens.");
    for (const name of ["input", "output"]) if (fields !== null && fields[name] === undefined) report(`prices.${model}.${name}`, undefined, "Give dollars per million tokens.");
    for (const [name, dollars] of Object.entries(fields ?? {})) checkNumber(report, `prices.${model}.${name}`, dollars, { min: 0, max: priceMax });
  }
}

function checkPricedModel(report: Report, value: unknown): void {
  if (typeof value !== "string" || !/^[^/\s]+\/\S+$/.test(value)) report("priceAs", value, 'Use the "provider/model" whose price counts, such as "anthropic/claude-haiku-4-5".');
}
