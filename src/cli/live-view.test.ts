import { expect, it } from "vitest";
import { VirtualClock } from "../base/virtual-clock.ts";
import { LiveView } from "./live-view.ts";

/** A terminal of one column of cells per line: knows the few codes that the view writes. */
function createScreen(size: { columns: number; rows: number }) {
  let lines: string[] = [""];
  const writes: string[] = [];
  return {
    size,
    writes,
    lines: (): readonly string[] => lines.slice(0, -1),
    columns: () => size.columns,
    rows: () => size.rows,
    /** What a terminal does with its text when it gets narrower. */
    narrow(columns: number): void {
      size.columns = columns;
      lines = lines.flatMap((line) => (line === "" ? [""] : (line.match(new RegExp(`.{1,${columns}}`, "g")) ?? [])));
    },
    write(text: string): void {
      writes.push(text);
      const plain = text.replaceAll("\u001B[?2026h", "").replaceAll("\u001B[?2026l", "").replaceAll("\u001B", "ESC");
      const up = /^ESC\[(\d+)A\rESC\[J/.exec(plain);
      if (up !== null) lines = [...lines.slice(0, lines.length - 1 - Number(up[1])), ""];
      lines = [...lines.slice(0, -1), ...((lines.at(-1) ?? "") + plain.slice(up?.[0].length ?? 0)).split("\n")];
    },
  };
}

function createView(block: () => readonly string[] = () => ["----", "status"]) {
  const clock = new VirtualClock();
  const screen = createScreen({ columns: 20, rows: 10 });
  return { clock, screen, view: new LiveView({ screen, clock, block }) };
}

it("keeps the block below the lines", async () => {
  const { clock, screen, view } = createView();
  view.print("one");
  view.print("two");
  await clock.advance(250);

  expect(screen.lines()).toEqual(["one", "two", "----", "status"]);
});

it("draws at once, then at most four times a second (V1)", async () => {
  const { clock, screen, view } = createView();
  for (let index = 0; index < 100; index++) {
    view.print(`line ${index}`);
    await clock.advance(10);
  }

  expect(screen.writes.length).toBeLessThanOrEqual(5);
  view.close();
  expect(screen.lines()).toEqual(Array.from({ length: 100 }, (_, index) => `line ${index}`));
});

it("draws nothing when nothing changed (V1)", async () => {
  const { clock, screen, view } = createView();
  view.changed();
  const before = screen.writes.length;
  for (let index = 0; index < 5; index++) {
    view.changed();
    await clock.advance(1000);
  }

  expect(screen.writes.length).toBe(before);
});

it("shows a line of others when it has ended, and its beginning at the latest at the end (V2)", async () => {
  const { clock, screen, view } = createView();
  view.printText("half");
  await clock.advance(1000);
  expect(screen.lines()).toEqual([]);

  view.printText(" and half\nrest");
  await clock.advance(1000);
  expect(screen.lines()).toEqual(["half and half", "----", "status"]);

  view.close();
  expect(screen.lines()).toEqual(["half and half", "rest"]);
});

it("leaves nothing of the old block behind when the terminal gets narrower (V3)", async () => {
  let text = "a block of some width";
  const { clock, screen, view } = createView(() => [text]);
  view.print("one");
  text = "narrow";
  screen.narrow(7);
  view.resized();
  await clock.advance(1000);

  expect(screen.lines()).toEqual(["one", "narrow"]);
});

it("leaves room for lines on a terminal of few rows", () => {
  const { screen, view } = createView(() => ["1", "2", "3", "4"]);
  screen.size.rows = 3;
  view.print("one");

  expect(screen.lines()).toEqual(["one", "1", "2"]);
});
