import { writeFileSync } from "node:fs";
import { errorCodes } from "../src/base/error-code.ts";

// Writes docs/reference/errors.md from the table of codes: `npm run docs`. A test holds both equal.
const rows = Object.entries(errorCodes)
  .toSorted(([a], [b]) => (a < b ? -1 : 1))
  .map(([code, { cause, remedy }]) => `| \`${code}\` | ${cause} | ${remedy} |`);

writeFileSync(
  new URL("../docs/reference/errors.md", import.meta.url),
  `# Errors

Every error of Longhaul is a \`LonghaulError\` with a \`code\` of this table, a message that names the value and the remedy, \`retry\` (\`"never"\`, \`"backoff"\` or
\`{ afterMs }\`), a \`cause\` and \`details\`. Recognise it by \`isLonghaulError(error)\`, which works across copies of the package.

| code | cause | remedy |
|---|---|---|
${rows.join("\n")}
`,
);
