import { defineAgent, defineTeam } from "longhaul";
import { messageOf } from "../../../src/base/error.ts";
import type { Scenario } from "../scenario.ts";

/** Transactions on tables of the team's own, in the step's commit; the write-ahead log is worked off every few commits. */
export const bank: Scenario = {
  name: "bank",
  checkpointFrames: 24,
  define: (outside) =>
    defineTeam({
      name: "bank",
      agents: [
        defineAgent({
          name: "teller",
          limits: { concurrency: 3 },
          run: async (ctx, input) => {
            const amount = Number(input);
            await outside.observe(ctx, "transaction", "tables", ctx.transaction("tables", async (tx) => {
              await tx.run("CREATE TABLE IF NOT EXISTS account (name TEXT PRIMARY KEY, balance INTEGER NOT NULL) STRICT");
              await tx.run("CREATE TABLE IF NOT EXISTS transfer (run TEXT PRIMARY KEY, amount INTEGER NOT NULL CHECK (amount < 1000)) STRICT");
              await tx.run("INSERT OR IGNORE INTO account VALUES ('shop', 0), ('customer', 0)");
              return null;
            }));
            await outside.step(ctx, "ask", 70);
            const transfer = (by: number): Promise<unknown> => ctx.transaction("transfer", async (tx) => {
              await tx.run("UPDATE account SET balance = balance + ? WHERE name = 'shop'", by);
              await tx.run("UPDATE account SET balance = balance - ? WHERE name = 'customer'", by);
              await tx.run("INSERT INTO transfer VALUES (?, ?)", ctx.runId, by);
              return { by };
            });
            const refused = await outside.observe(ctx, "transaction", "transfer", transfer(5_000)).catch((error: unknown) => messageOf(error).split(":")[0]);
            await outside.observe(ctx, "transaction", "transfer", transfer(amount), 2);
            await outside.step(ctx, "thank", 30);
            return { refused: refused ?? null, amount };
          },
        }),
      ],
    }),
  actions: [1, 2, 3, 4].map((n) => ({ id: `t${n}`, type: "submit", atMs: 40 * n, agent: "teller", input: 10 * n, key: `transfer-${n}` })),
};
