import type { TeamDefinition } from "longhaul";
import type { Json } from "../../src/base/json.ts";
import type { Model } from "../../src/model/model.ts";
import type { DiskTeam } from "../fixture/disk-team.ts";

/** A kind of run whose journal is recorded, and replayed with the code of every day that follows. */
export interface Scenario {
  /** Of its file: test/journals/recorded/<name>.json. */
  readonly name: string;
  /** What the journal shows. */
  readonly about: string;
  /** Has an agent or a flow "main". Everything of it that executes calls `act` first. */
  readonly team: (act: Act) => TeamDefinition;
  readonly model?: (act: Act) => Model;
  readonly input?: Json;
  /** Brings the task to where it is recorded, or another one in its place. Default: to its end. */
  readonly drive?: (team: DiskTeam, taskId: string) => Promise<string>;
}

/** Told by the body of a step that it executes. Throws where nothing may execute. */
export type Act = () => void;

/** A body that says that it executes and gives this value. */
export function acting<T>(act: Act, value: T): () => T {
  return () => {
    act();
    return value;
  };
}
