#!/usr/bin/env node
// Old syntax on purpose, and nothing but this check before the program itself is loaded: see old-node.js.
import { existsSync } from "node:fs";
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
  void import(program.href);
}
