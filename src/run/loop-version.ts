/**
 * Version of the names and the order of the steps that this folder takes in an agent's place: `t1/model`, `t1/tool/<id>`, `verify`, `send` of
 * an agent. Raise it with a change that keeps runs in flight from being replayed (test/journals fails then): they are parked, and nothing of them is guessed.
 */
export const loopVersion = 2;
