import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["longhaul-source"] },
  ssr: { resolve: { conditions: ["longhaul-source"] } },
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts", "examples/**/*.test.ts"],
    testTimeout: 20_000,
  },
});
