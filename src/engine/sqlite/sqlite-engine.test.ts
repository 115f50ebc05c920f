import { testEngine } from "../engine.testsuite.ts";
import { sqliteSuite } from "./sqlite-fixture.testsuite.ts";

testEngine(sqliteSuite());
