/** Is told of child processes, so that those which outlive this one can be ended later. */
export interface ChildLedger {
  began(pid: number): void;
  ended(pid: number): void;
}
