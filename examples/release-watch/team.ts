import { consoleNotifier, defineTeam, webhook } from "longhaul";
import { analyst } from "./analyst.ts";
import { digest } from "./digest.ts";
import { editor } from "./editor.ts";
import { provider } from "./provider.ts";
import { scout } from "./scout.ts";
import { settings } from "./settings.ts";

console.error(provider.notice);

/** Watches the releases of what you depend on. */
export const team = defineTeam({
  name: "release-watch",
  agents: [scout, analyst, editor],
  flows: [digest],
  endpoints: provider.endpoints,
  notify: settings.webhookUrl === null ? [consoleNotifier()] : [consoleNotifier(), webhook({ url: settings.webhookUrl })],
});
