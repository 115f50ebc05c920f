/** What was measured, and the most that it may be; "": there is no such target. */
export interface Figure {
  readonly figure: number;
  readonly most: number | "";
}

/** True also of what is no number: it was not measured. */
export function isMissed({ figure, most }: Figure): boolean {
  return most !== "" && !(figure <= most);
}

/** Shows the figures; with `strict` the process ends with 1 when a target is missed. */
export function tellFigures(figures: Readonly<Record<string, Figure>>, strict: boolean): void {
  console.table(Object.fromEntries(Object.entries(figures).map(([name, figure]) => [name, { ...figure, met: figure.most === "" ? "" : !isMissed(figure) }])));
  if (strict && Object.values(figures).some(isMissed)) process.exitCode = 1;
}
