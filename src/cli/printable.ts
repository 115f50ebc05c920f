/** Text of agents and tools may hold escape sequences that would rewrite what a person sees: they are replaced, line breaks and tabs stay. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Bidi_Control}]/gu, (character) => (character === "\n" || character === "\t" ? character : "\uFFFD"));
}

/** The same on one line: line breaks and runs of spaces become one space. */
export function printableLine(text: string): string {
  return printable(text.replaceAll(/\s+/g, " ")).trim();
}
