/** Says what happens, and keeps what was expected for the table at the end. */
export interface Narrator {
  readonly step: (title: string) => void;
  readonly say: (...lines: readonly string[]) => void;
  /** A figure of the run and whether it is what the demo promises. */
  readonly expect: (what: string, figure: string | number, isAsPromised: boolean) => void;
  /** Prints the table; true when every figure is as promised. */
  readonly conclude: () => boolean;
}

interface Expectation {
  readonly what: string;
  readonly figure: string;
  readonly isAsPromised: boolean;
}

export function createNarrator(print: (line: string) => void): Narrator {
  const expectations: Expectation[] = [];
  let steps = 0;
  const format = ({ what, figure, isAsPromised }: Expectation, width: number): string => `${isAsPromised ? "ok    " : "FAILED"}  ${what.padEnd(width)}  ${figure}`;
  return {
    step: (title) => ["", `${++steps}. ${title}`].forEach(print),
    say: (...lines) => lines.forEach((line) => print(`   ${line}`)),
    expect(what, figure, isAsPromised) {
      const expectation = { what, figure: String(figure), isAsPromised };
      expectations.push(expectation);
      print(`   ${isAsPromised ? "→" : "FAILED:"} ${what}: ${expectation.figure}`);
    },
    conclude() {
      const width = Math.max(...expectations.map(({ what }) => what.length));
      const failed = expectations.filter(({ isAsPromised }) => !isAsPromised).length;
      ["", ...expectations.map((expectation) => format(expectation, width)), "", `${expectations.length - failed} of ${expectations.length} as promised.`].forEach(print);
      return failed === 0;
    },
  };
}
