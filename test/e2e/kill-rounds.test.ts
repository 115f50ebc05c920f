import { testKillRounds } from "./kill-rounds.testsuite.ts";

testKillRounds({ rounds: 20, scanTimeoutMs: 30_000 });
