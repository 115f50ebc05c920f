/** Messages and reasons are no longer than this, in characters. */
export const textLengthMax = 10_000;

/** The text when it is no longer than `lengthMax`, else its beginning with a mark that says how much there was. No character is left in halves. */
export function cutText(text: string, lengthMax: number = textLengthMax): string {
  if (text.length <= lengthMax) return text;
  const mark = `… (cut: ${text.length} characters)`;
  return `${text.slice(0, lengthMax - mark.length).replace(/[\uD800-\uDBFF]$/, "")}${mark}`;
}
