import { testMemory } from "./memory.testsuite.ts";
import { runMemory } from "./run-memory.ts";

testMemory({ create: () => Promise.resolve(runMemory) });
