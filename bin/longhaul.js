#!/usr/bin/env node
// Old syntax on purpose, and nothing but this check before the program itself is loaded: see old-node.js. `node:fs` alone would take 3 MB of memory for months.
import * as nodeModule from "node:module";
import { oldNodeMessage } from "./old-node.js";

const program = new URL("../dist/cli/longhaul.js", import.meta.url).href;
const tooOld = oldNodeMessage(process.versions.node, process.platform, process.arch);

if (tooOld !== null) {
  console.error(tooOld);
  process.exitCode = 1;
} else {
  // What was compiled once need not be at the next start. Beside the program, where nobody else may write; where it may not write itself, nothing is kept.
  nodeModule.enableCompileCache(`${import.meta.dirname}/../dist/.compiled`);
  import(program).catch((/** @type {unknown} */ error) => {
    if (!(error instanceof Error) || !("code" in error) || !("url" in error) || error.code !== "ERR_MODULE_NOT_FOUND" || error.url !== program) throw error;
    console.error("longhaul is not built yet. Type: npm run build");
    process.exitCode = 1;
  });
}
