import { testEngine } from "../engine.testsuite.ts";
import { restateSuite } from "./restate-fixture.testsuite.ts";

testEngine(restateSuite());
