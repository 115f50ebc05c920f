import { defineAgent, defineTeam, every } from "longhaul";

/** The smallest team: one agent that answers at once. */
const greeter = defineAgent({
  name: "greeter",
  triggers: [every("1h", { atStart: true })],
  run: (ctx) => ctx.step("greet", () => ({ greeting: "hello" })),
});

export const team = defineTeam({ name: "idle", agents: [greeter] });
