#!/usr/bin/env node
// Old syntax on purpose, and nothing but this check before the program itself is loaded: see old-node.js.
import { existsSync } from "node:fs";
import * as nodeModule from "node:module";
import { fileURLToPath } from "node:url";
import { oldNodeMessage } from "./old-node.js";

const program = new URL("../dist/cli/main.js", import.meta.url);
const tooOld = oldNodeMessage(process.versions.node, process.platform, process.arch);

if (tooOld !== null) {
  console.error(tooOld);
  process.exitCode = 1;
} else if (!existsSync(program)) {
  console.error("longhaul is not built yet. Type: npm run build");
  process.exitCode = 1;
} else {
  // What was compiled once need not be at the next start. Beside the program, where nobody else may write; where it may not write itself, nothing is kept.
  nodeModule.enableCompileCache(fileURLToPath(new URL("../dist/.compiled", import.meta.url)));
  void import(program.href);
}
