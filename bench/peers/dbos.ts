import { DBOS } from "@dbos-inc/dbos-sdk";
import { Client } from "pg";
import { startPostgres } from "../../src/db/fixture/postgres-server.ts";
import type { OpenSide } from "./side.ts";

/** On a PostgreSQL of its own, as one in production is set up. */
export const open: OpenSide = async (_folder, hooks) => {
  const beganAt = performance.now();
  const postgres = await startPostgres(["fsync=on", "full_page_writes=on", "autovacuum=on", "shared_buffers=128MB"]);
  const url = await postgres.createDatabase();
  const serverMs = performance.now() - beganAt;
  DBOS.setConfig({ name: "bench", systemDatabaseUrl: url, logLevel: "error", systemDatabasePoolSize: 20 });
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
  const reader = new Client(url);
  await reader.connect();
  let ended = 0;
  return {
    durability: "fsync (PostgreSQL)",
    serverMs,
    async start(run, steps) {
      const handle = await DBOS.startWorkflow(workflow)(run, steps);
      void handle.getResult().then(() => ended++);
    },
    startWaiting: (run) => DBOS.startWorkflow(waiting)(run),
    ended: () => Promise.resolve(ended),
    async waiting() {
      const { rows } = await reader.query<{ n: string }>("SELECT count(*) AS n FROM dbos.workflow_status s WHERE s.name = 'waiting' AND s.status = 'PENDING' AND EXISTS (SELECT 1 FROM dbos.operation_outputs o WHERE o.workflow_uuid = s.workflow_uuid AND o.function_name = 'DBOS.sleep')");
      return Number(rows[0]?.n);
    },
    async close() {
      await reader.end();
      await DBOS.shutdown();
      await postgres.close();
    },
  };
};
