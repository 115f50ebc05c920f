/** A bug that somebody could make, as a change of one place in the source, and the tests that are to catch it. */
export interface PlantedBug {
  readonly name: string;
  /** What it would do to a user. */
  readonly harm: string;
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Test files of the project "unit" that must fail. */
  readonly suites: readonly string[];
}
