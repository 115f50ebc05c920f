import { defineFlow } from "longhaul";
import { z } from "zod";
import { analyst } from "./analyst.ts";
import { editor } from "./editor.ts";
import { type Assessment, type FailedAnalysis, scan } from "./release.ts";
import { settings } from "./settings.ts";

/** One scan: an analysis of every release, several at once; then the digest. An analysis that dies is listed with its reason. */
export const digest = defineFlow({
  name: "digest",
  input: scan,
  // What was assessed, and no more: the same output again is no progress, so scans whose every analysis fails make this flow hollow, however many digests say so.
  output: z.object({ assessed: z.array(z.string()) }),
  expect: { progressWithin: settings.progressWithin },
  run: async (ctx, { id, date, path, releases, waiting }) => {
    const settled = await Promise.allSettled(releases.map((release) => ctx.call(analyst, release)));
    const assessments: Assessment[] = [];
    const failures: FailedAnalysis[] = [];
    for (const [index, result] of settled.entries()) {
      const release = releases[index];
      if (result.status === "fulfilled") assessments.push(result.value.output);
      else if (release !== undefined) failures.push({ package: release.package, version: release.version, reason: result.reason instanceof Error ? result.reason.message : String(result.reason) });
    }
    await ctx.call(editor, { id, date, path, assessments, failures, waiting });
    return { assessed: assessments.map((assessment) => `${assessment.package} ${assessment.version}`) };
  },
});
