import type { Clock, Timer } from "../base/clock.ts";
import { textWidth } from "./text-width.ts";

/** The terminal, as far as the view needs it. */
export interface Screen {
  write(text: string): void;
  columns(): number;
  rows(): number;
}

export interface LiveViewOptions {
  readonly screen: Screen;
  readonly clock: Clock;
  /** The lines of the block for a width. */
  readonly block: (columns: number) => readonly string[];
}

/** At most this often is anything drawn. */
const drawIntervalMs = 250;
const eraseBelow = "\u001B[J";
/** Terminals that know it show what stands between as one picture. */
const beginPicture = "\u001B[?2026h";
const endPicture = "\u001B[?2026l";

/**
 * Lines that scroll above a block that is redrawn in place.
 *  V1 it draws only when something changed, and at most four times a second;
 *  V2 every line that was printed is shown whole, in order, also the last ones before `close`;
 *  V3 after a resize nothing of the old block stays behind.
 */
export class LiveView {
  readonly #options: LiveViewOptions;
  #pending: string[] = [];
  #partial = "";
  #drawn: readonly string[] = [];
  #lastDrawnMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | null = null;
  #isClosed = false;
  #isResized = false;

  constructor(options: LiveViewOptions) {
    this.#options = options;
  }

  /** A line that scrolls. */
  print(line: string): void {
    this.#pending.push(line);
    this.changed();
  }

  /** Text that others write to the terminal; a line is shown when its end has come. */
  printText(text: string): void {
    const lines = (this.#partial + text).split("\n");
    this.#partial = lines.pop() ?? "";
    for (const line of lines) this.print(line);
  }

  /** The block has something new to say. */
  changed(): void {
    if (this.#timer !== null || this.#isClosed) return;
    const { clock } = this.#options;
    const dueMs = this.#lastDrawnMs + drawIntervalMs - clock.monotonicMs();
    if (dueMs <= 0) {
      this.#draw();
      return;
    }
    this.#timer = clock.setTimer(dueMs, () => {
      this.#timer = null;
      this.#draw();
    });
  }

  /** The terminal has another size. */
  resized(): void {
    this.#isResized = true;
    this.changed();
  }

  /** Shows what is still to be shown, takes the block away and draws no more. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    if (this.#partial !== "") this.#pending.push(this.#partial);
    this.#write([]);
  }

  #draw(): void {
    const { screen, block, clock } = this.#options;
    this.#lastDrawnMs = clock.monotonicMs();
    this.#write(block(screen.columns()).slice(0, Math.max(0, screen.rows() - 1)));
  }

  #write(block: readonly string[]): void {
    const { screen } = this.#options;
    const isSame = block.length === this.#drawn.length && block.every((line, index) => line === this.#drawn[index]);
    if (isSame && this.#pending.length === 0 && !this.#isResized) return;
    const text = [...this.#pending, ...block].map((line) => `${line}\n`).join("");
    screen.write(`${beginPicture}${this.#erase()}${text}${endPicture}`);
    this.#pending = [];
    this.#isResized = false;
    this.#drawn = block;
  }

  /** Terminals break lines anew when they get narrower: the old block may take more rows than it has lines. */
  #erase(): string {
    const columns = Math.max(1, this.#options.screen.columns());
    const rows = this.#drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(textWidth(line) / columns)), 0);
    return rows === 0 ? "" : `\u001B[${rows}A\r${eraseBelow}`;
  }
}
