import { defineAgent, defineFlow, defineTeam } from "longhaul";
import { z } from "zod";

// A flow is durable code. After a crash it runs again from its first line, and every `ctx` call that was finished returns what it returned before.
// So: no Date.now(), no Math.random(), no fetch outside of ctx.step.

const translator = defineAgent({
  name: "translator",
  input: z.object({ text: z.string(), language: z.enum(["de", "fr", "xx"]) }),
  output: z.string(),
  run: async (ctx, { text, language }) => {
    if (language === "xx") throw new Error("there is no language xx");
    return ctx.step("translate", () => `${text} (${language})`);
  },
});

const campaign = defineFlow({
  name: "campaign",
  input: z.object({ text: z.string() }),
  output: z.object({ sent: z.array(z.string()), failed: z.array(z.string()), by: z.string() }),
  run: async (ctx, { text }) => {
    // Several agents at once; one that dies does not end the others.
    const languages = ["de", "fr", "xx"] as const;
    const settled = await Promise.allSettled(languages.map((language) => ctx.call(translator, { text, language })));
    const translated = settled.flatMap((result) => (result.status === "fulfilled" ? [result.value.output] : []));
    const failed = languages.filter((_, index) => settled[index]?.status === "rejected");

    // A person decides, within three days. The run takes no memory and no slot while it waits.
    const answer = await ctx.waitFor("approved", { timeout: "3d" });
    if (answer.timedOut) return { sent: [], failed, by: "nobody" };
    const { by } = z.object({ by: z.string() }).parse(answer.payload);

    // Sent in the morning, whatever restarts in between.
    await ctx.sleep("12h");
    for (const message of translated) {
      await ctx.step(`send ${message}`, ({ idempotencyKey }) => ({ message, idempotencyKey }), { attempts: 5, timeout: "30s" });
    }
    return { sent: translated, failed, by };
  },
});

export default defineTeam({ name: "campaigns", agents: [translator], flows: [campaign] });
