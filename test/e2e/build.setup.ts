import { buildIfNeeded, removeBuild } from "../../scripts/build.ts";

/** End-to-end tests run the package as it is built. Without a build they fail one by one, and all other tests still run. */
export function setup(): void {
  try {
    buildIfNeeded();
  } catch (error) {
    removeBuild();
    console.error(error);
  }
}
