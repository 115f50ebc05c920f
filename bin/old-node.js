// Old syntax on purpose: this file must load on every Node that knows modules, so that an old one gets a sentence instead of a SyntaxError.

/** The lowest major version of Node that has what Longhaul needs. */
const majorMin = 24;

/**
 * What to type when this Node is too old, in one line; null when it is new enough.
 * @param {string} version as in process.versions.node
 * @param {string} platform as in process.platform
 * @param {string} arch as in process.arch
 * @returns {string | null}
 */
export function oldNodeMessage(version, platform, arch) {
  if (parseInt(version, 10) >= majorMin) return null;
  return "longhaul needs Node " + majorMin + " or newer; this is " + version + ". Type: " + remedy(platform + "-" + arch);
}

/**
 * npm carries a Node binary for the common platforms; the others install their own.
 * @param {string} target
 * @returns {string}
 */
function remedy(target) {
  switch (target) {
    case "linux-x64":
    case "linux-arm64":
    case "win32-x64":
      return "npm install --save-dev node@24.21.0 && npx longhaul";
    case "darwin-x64":
      return "npm install --save-dev node@24.18.1 && npx longhaul";
    case "darwin-arm64":
      return "brew install node@24 && brew link --overwrite node@24 (or: nvm install 24)";
    default:
      return "nvm install 24 (or install Node 24 from nodejs.org)";
  }
}
