import { type Script, scriptedModel } from "longhaul/testing";
import type { Model } from "../../src/model/model.ts";

/** A scripted model that keeps nothing of what it was asked: what grows is not its memory. */
export function forgetfulModel(script: Script): Model {
  return { ...scriptedModel(script), complete: (request) => scriptedModel(script).complete(request) };
}
