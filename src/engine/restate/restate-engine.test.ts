import { vi } from "vitest";
import { testEngine } from "../engine.testsuite.ts";
import { restateSuite } from "./restate-fixture.testsuite.ts";

// Against real servers in processes of their own: a crash costs a reconnection, a thousand runs some seconds.
vi.setConfig({ testTimeout: 90_000 });

testEngine(restateSuite());
