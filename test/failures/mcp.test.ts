import { mcpCases } from "./cases/mcp.ts";
import { testFailures } from "./table.testsuite.ts";

// Servers work in real time: these lines take as long as all others together, and run beside them.
testFailures("embedded", mcpCases);
