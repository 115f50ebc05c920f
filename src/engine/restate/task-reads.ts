import { onNextTurn } from "../../base/turn.ts";
import type { PostgresSession } from "../../db/postgres.ts";
import { getTasks, type StoredTask } from "./tasks.ts";

/** All that is asked for in one turn of the event loop is one statement. */
export class TaskReads {
  #ids: string[] = [];
  #tasks: Promise<ReadonlyMap<string, StoredTask>> | null = null;

  async get(db: PostgresSession, taskId: string): Promise<StoredTask | undefined> {
    this.#ids.push(taskId);
    this.#tasks ??= new Promise((resolve) => onNextTurn(() => resolve(this.#read(db))));
    return (await this.#tasks).get(taskId);
  }

  async #read(db: PostgresSession): Promise<ReadonlyMap<string, StoredTask>> {
    const ids = this.#ids;
    this.#ids = [];
    this.#tasks = null;
    return new Map((await getTasks(db, ids)).map((task) => [task.id, task]));
  }
}
