import { DBOS } from "@dbos-inc/dbos-sdk";
import { startPostgres } from "../../src/db/fixture/postgres-server.ts";
import type { OpenSide } from "./side.ts";

/** On a PostgreSQL of its own, as one in production is set up. */
export const open: OpenSide = async (_folder, hooks) => {
  const postgres = await startPostgres(["fsync=on", "full_page_writes=on", "autovacuum=on", "shared_buffers=128MB"]);
  DBOS.setConfig({ name: "bench", systemDatabaseUrl: await postgres.createDatabase(), logLevel: "error", systemDatabasePoolSize: 20 });
  const workflow = DBOS.registerWorkflow(
    async (run: number, steps: number) => {
      for (let index = 1; index <= steps; index++) {
        await DBOS.runStep(async () => {
          hooks.step();
          return index;
        }, { name: "step" });
      }
      hooks.end(run);
    },
    { name: "bench" },
  );
  const waiting = DBOS.registerWorkflow(
    async (run: number) => {
      hooks.end(run);
      await DBOS.sleep(3_600_000);
    },
    { name: "waiting" },
  );
  await DBOS.launch();
  return {
    durability: "fsync (PostgreSQL)",
    start: (run, steps) => DBOS.startWorkflow(workflow)(run, steps),
    startWaiting: (run) => DBOS.startWorkflow(waiting)(run),
    async close() {
      await DBOS.shutdown();
      await postgres.close();
    },
  };
};
