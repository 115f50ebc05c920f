import type { CommandContext, ExitCode } from "../command-context.ts";
import { withView } from "../open-view.ts";
import { printableLine } from "../printable.ts";
import { formatTable } from "../table.ts";

export interface SqlOptions {
  readonly rows: number;
  readonly timeout: number;
}

/** One reading statement on the team's data. Under `--json`, one line a row. @throws {STORE_QUERY} */
export function runSql(context: CommandContext, sql: string, { rows: rowsMax, timeout: timeoutMs }: SqlOptions): Promise<ExitCode> {
  return withView(context, async (view) => {
    const { output } = context;
    const { rows, truncated } = await view.store.query(sql, { rowsMax, timeoutMs });
    for (const row of rows) output.data(Object.fromEntries(Object.entries(row).map(([name, value]) => [name, toJsonCell(value)])));
    const names = Object.keys(rows[0] ?? {});
    const columns = names.map((title, index) => ({
      title: printableLine(title),
      value: (row: Readonly<Record<string, unknown>>) => printableLine(toTextCell(row[title])),
      align: typeof rows[0]?.[title] === "number" ? ("right" as const) : ("left" as const),
      grows: index === names.length - 1,
    }));
    if (rows.length === 0) output.say("No rows.");
    else output.quote(...formatTable(columns, rows, { columns: output.columns, styleTitle: (text) => output.style("dim", text) }));
    if (truncated) output.warn(`Only the first ${rowsMax} rows are shown. Use LIMIT in the statement, or --rows.`);
    return 0;
  });
}

function toJsonCell(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  return typeof value === "bigint" ? value.toString() : value;
}

function toTextCell(value: unknown): string {
  const cell = toJsonCell(value);
  return cell === null ? "NULL" : String(cell);
}
