import { cutToWidth, padToWidth, textWidth } from "./text-width.ts";

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  /** Numbers stand on the right. Default "left". */
  readonly align?: "left" | "right";
  /** Takes what is left of the width and is cut to it. Default false. */
  readonly grows?: boolean;
}

export interface TableOptions {
  /** Null where nobody counts columns: nothing is cut then. */
  readonly columns: number | null;
  /** Colours the line of titles. */
  readonly styleTitle?: (text: string) => string;
}

const gap = "  ";
/** A growing column keeps at least this, however narrow the terminal. */
const growWidthMin = 12;

/** The lines of a table: titles, then one line a row. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], { columns: widthMax, styleTitle = (text) => text }: TableOptions): readonly string[] {
  const cells = rows.map((row) => columns.map((column) => column.value(row)));
  const natural = columns.map((column, index) => Math.max(textWidth(column.title), ...cells.map((line) => textWidth(line[index] ?? ""))));
  const widths = widthMax === null ? natural : fit(columns, natural, widthMax);
  const toLine = (texts: readonly string[]): string => columns.map((column, index) => toCell(column, texts[index] ?? "", widths[index] ?? 0)).join(gap).trimEnd();
  return [styleTitle(toLine(columns.map(({ title }) => title))), ...cells.map(toLine)];
}

function toCell<Row>(column: Column<Row>, text: string, width: number): string {
  return padToWidth(column.grows === true ? cutToWidth(text, width) : text, width, column.align);
}

/** Growing columns give way, all by the same share. */
function fit<Row>(columns: readonly Column<Row>[], natural: readonly number[], widthMax: number): readonly number[] {
  const total = natural.reduce((sum, width) => sum + width, 0) + gap.length * (columns.length - 1);
  const growing = columns.flatMap((column, index) => (column.grows === true ? [natural[index] ?? 0] : []));
  const growingTotal = growing.reduce((sum, width) => sum + width, 0);
  const over = total - widthMax;
  if (over <= 0 || growingTotal === 0) return natural;
  return natural.map((width, index) => (columns[index]?.grows === true ? Math.min(width, Math.max(growWidthMin, Math.floor(width - (over * width) / growingTotal))) : width));
}
