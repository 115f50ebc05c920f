import { z } from "zod";

/** A release that was not seen before. */
export const release = z.object({ package: z.string(), version: z.string(), previousVersion: z.string().nullable() });
export type Release = z.infer<typeof release>;

/** One scan with news. */
export const scan = z.object({ id: z.string(), date: z.string(), path: z.string(), releases: z.array(release), waiting: z.number() });
export type Scan = z.infer<typeof scan>;

/** What an analyst says of one release; every statement cites a field of what the registry said. */
export const assessment = z.object({
  package: z.string(),
  version: z.string(),
  risk: z.enum(["low", "medium", "high"]),
  summary: z.string().min(1),
  citations: z.array(z.object({ field: z.string(), value: z.string() })).min(1),
});
export type Assessment = z.infer<typeof assessment>;

export const failedAnalysis = z.object({ package: z.string(), version: z.string(), reason: z.string() });
export type FailedAnalysis = z.infer<typeof failedAnalysis>;
