import { stripVTControlCharacters } from "node:util";

let segmenter: Intl.Segmenter | null = null;
const plainAscii = /^[\x20-\x7e]*$/;
const zeroWidth = /^[\p{Mark}\p{Cf}\p{Cc}]+$/u;
const emoji = /\p{Emoji_Presentation}|\uFE0F/u;
/** Scripts and blocks whose characters take two columns of a terminal. */
const wide = /[\u1100-\u115F\u2E80-\u303E\u3041-\u33FF\u3400-\u4DBF\u4E00-\u9FFF\uA000-\uA4CF\uA960-\uA97F\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6]|[\u{1B000}-\u{1B2FF}\u{20000}-\u{3FFFD}]/u;

/** Columns that a text takes on a terminal; colours take none, CJK characters and emoji two. */
export function textWidth(text: string): number {
  if (plainAscii.test(text)) return text.length;
  const visible = stripVTControlCharacters(text);
  let width = 0;
  for (const { segment } of graphemesOf(visible)) width += graphemeWidth(segment);
  return width;
}

/** The text, or its beginning and "…" when it is wider than `columns`. Colours are dropped from a text that is cut. */
export function cutToWidth(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text;
  let kept = "";
  let width = 0;
  for (const { segment } of graphemesOf(stripVTControlCharacters(text))) {
    width += graphemeWidth(segment);
    if (width > columns - 1) break;
    kept += segment;
  }
  return columns < 1 ? "" : `${kept}…`;
}

/** The text with spaces up to `columns`, behind it or, for numbers, before it. */
export function padToWidth(text: string, columns: number, align: "left" | "right" = "left"): string {
  const space = " ".repeat(Math.max(0, columns - textWidth(text)));
  return align === "left" ? text + space : space + text;
}

/** Made when the first text needs it: that takes 10 ms of a start. */
function graphemesOf(text: string): Intl.Segments {
  segmenter ??= new Intl.Segmenter(undefined, { granularity: "grapheme" });
  return segmenter.segment(text);
}

function graphemeWidth(grapheme: string): number {
  if (zeroWidth.test(grapheme)) return 0;
  return emoji.test(grapheme) || wide.test(grapheme) ? 2 : 1;
}
