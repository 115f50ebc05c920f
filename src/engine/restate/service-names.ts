/** As Restate knows the services of a team. */
export function serviceNames(team: string): { readonly slots: string; readonly runs: string; readonly outage: string } {
  return { slots: `longhaul.${team}.slots`, runs: `longhaul.${team}.run`, outage: `longhaul.${team}.outage` };
}

/** What Restate is told of the runs of a team: which database its workers have. */
export const placeName = "longhaul.place";
