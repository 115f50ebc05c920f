import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { compiledFolder } from "./test/fixture/compiled.ts";

/** `import "longhaul"` in a test means the source, not what was built. */
const conditions = ["longhaul-source"];
const resolve = { conditions };
const ssr = { resolve: { conditions, externalConditions: conditions } };

process.env["NODE_COMPILE_CACHE"] ??= compiledFolder;

/** Files that take a minute or more. */
const longest = /restate-engine\.test|kill-rounds\.test|cluster\/(?:story|idle|duties|command-line|advice|cut-off|database-away)\.test|processes\/(?:commands|doctor|owner-row|restore)\.test|failures\/(?:table|cluster|mcp)\.test|supervisor\.test|quarantine\.test|ablation\.test|mcp-connects\.test|demo\.test/;

/** Nothing waits for ever; what is not there by then is not merely late, also on a machine that is busy. In place of a second. */
const poll = { timeout: 15_000 };

/** The longest files first: nobody waits at the end for one that began last. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort.call(this, files);
    const isLong = ({ moduleId }: TestSpecification): boolean => longest.test(moduleId);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    // Many tests mostly wait, for processes of their own and for servers: two workers more than the 2 cores that CI has keep these busy.
    maxWorkers: 4,
    projects: [
      {
        resolve,
        ssr,
        test: {
          name: "unit",
          include: ["src/**/*.test.ts", "test/**/*.test.ts", "examples/**/*.test.ts", "scripts/**/*.test.ts"],
          exclude: ["test/e2e/**"],
          // One module graph for all files: no test may change what another sees, and starting is ten times faster.
          isolate: false,
          // Against what never ends, also where two slow cores have four workers.
          testTimeout: 180_000,
          hookTimeout: 60_000,
          expect: { poll },
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          globalSetup: ["test/e2e/build.setup.ts"],
          testTimeout: 180_000,
          hookTimeout: 60_000,
          expect: { poll },
        },
      },
    ],
  },
});
