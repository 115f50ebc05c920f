import { isNoteworthy } from "./describe-record.ts";
import type { Output } from "./output.ts";
import { describeStart, type Presenter } from "./presenter.ts";
import { formatRecordLine } from "./record-line.ts";

/** One line after the other, for logs and pipes; under `--json` one JSON line a record. */
export function createPlainPresenter(output: Output): Presenter {
  return {
    started(info) {
      output.data({ event: "started", ...info });
      output.say(`${describeStart(info)}. Ctrl-C stops it.`);
    },
    record(record) {
      output.data(record);
      if (isNoteworthy(record)) output.quote(formatRecordLine(record, output, { isClockTime: false, columns: null }));
    },
    line(text) {
      if (output.isJson) output.warn(text);
      else output.say(text);
    },
    draining(text) {
      output.data({ event: "draining" });
      output.say(text);
    },
    stopped(text, details) {
      output.data({ event: "stopped", ...details });
      output.say(text);
    },
    close: () => undefined,
  };
}
