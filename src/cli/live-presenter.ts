import type { Clock } from "../base/clock.ts";
import { type Capture, captureWrites } from "./capture-writes.ts";
import { isNoteworthy } from "./describe-record.ts";
import { LiveView } from "./live-view.ts";
import type { Output } from "./output.ts";
import { describeStart, type Presenter } from "./presenter.ts";
import { formatRecordLine } from "./record-line.ts";
import { formatStatusBlock } from "./status-block.ts";
import type { StatusBoard } from "./status-board.ts";

export interface LivePresenterOptions {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly clock: Clock;
  readonly output: Pick<Output, "style" | "placed">;
  readonly board: StatusBoard;
}

/** Readable lines that scroll above a status block. What the team's own code writes to the terminal scrolls with them. */
export function createLivePresenter({ stdout, stderr, clock, output, board }: LivePresenterOptions): Presenter {
  const { style, placed } = output;
  const captures: Capture[] = [];
  let head = { team: "", address: "" };
  let phase: string | null = null;
  const view = new LiveView({
    clock,
    screen: { write: (text) => captures[0]?.write(text), columns: () => stdout.columns, rows: () => stdout.rows },
    block: (columns) => (head.team === "" ? [] : formatStatusBlock(board.status(), { ...head, phase, columns, style, placed })),
  });
  const onText = (text: string): void => view.printText(text);
  captures.push(captureWrites(stdout, onText));
  if (stderr.isTTY) captures.push(captureWrites(stderr, onText));
  const onResize = (): void => view.resized();
  stdout.on("resize", onResize);
  return {
    started(info) {
      head = { team: info.team, address: info.url };
      view.print(style("bold", describeStart(info)));
      view.print(style("dim", "Ctrl-C stops it; started again, it goes on where it stopped."));
    },
    record(record) {
      board.apply(record);
      if (isNoteworthy(record)) view.print(formatRecordLine(record, output, { isClockTime: true, columns: stdout.columns }));
      else view.changed();
    },
    line: (text) => view.print(placed(text)),
    draining(text) {
      phase = "stops";
      view.print(style("yellow", text));
    },
    stopped(text) {
      view.print(text);
    },
    close() {
      view.close();
      stdout.off("resize", onResize);
      for (const capture of captures) capture.release();
    },
  };
}
