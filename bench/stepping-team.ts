import { appendFileSync } from "node:fs";
import { defineAgent, defineTeam, every } from "longhaul";

const stepMs = 20;
const stepsMax = 9_000;

/** Always in a run: each step is a line of `steps.log` in the working directory, with the time at which it began. */
const stepper = defineAgent({
  name: "stepper",
  triggers: [every("1h", { atStart: true })],
  async run(ctx) {
    for (let step = 1; step <= stepsMax; step++) {
      await ctx.step(`step ${step}`, async () => {
        appendFileSync("steps.log", `${step} ${Date.now()}\n`);
        await new Promise((resolve) => setTimeout(resolve, stepMs));
      });
    }
  },
});

export const team = defineTeam({ name: "stepping", agents: [stepper] });
