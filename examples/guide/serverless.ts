import { serveTeam } from "longhaul/serverless";
import { team } from "./agents.ts";

const { DATABASE_URL = "", RESTATE_INGRESS = "", RESTATE_PUBLIC_KEY = "" } = process.env;
const served = await serveTeam({ team, store: DATABASE_URL, restateIngress: RESTATE_INGRESS, identityKeys: [RESTATE_PUBLIC_KEY], environment: process.env });

export default { fetch: served.fetch };
