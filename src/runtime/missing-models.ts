import { idOfModel, listModels, type ModelReference } from "../agent/model-reference.ts";
import type { TeamDefinition } from "../agent/team-definition.ts";
import { isLonghaulError, messageOf } from "../base/error.ts";

/**
 * What to tell people at the start of models that cannot be asked yet, such as those whose key is missing: tasks that need them die until it is there.
 * @throws {OPTION_INVALID} for an address that is none: it does not come right by itself.
 */
export function missingModels(spec: TeamDefinition["spec"], check: (reference: ModelReference) => void): readonly string[] {
  return [...referencesOf(spec)].flatMap(([name, reference]) => {
    try {
      check(reference);
      return [];
    } catch (error) {
      if (isLonghaulError(error) && error.code === "OPTION_INVALID") throw error;
      return [`The model ${name} cannot be asked: ${messageOf(error)} Tasks that need it end at once until then.`];
    }
  });
}

/** The models of a team, each once. */
export function referencesOf({ agents, flows = [] }: TeamDefinition["spec"]): ReadonlyMap<string, ModelReference> {
  const references = [...agents, ...flows].flatMap(({ spec }) => (spec.model === undefined ? [] : listModels(spec.model)));
  return new Map(references.map((reference) => [idOfModel(reference), reference]));
}
