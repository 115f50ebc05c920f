/**
 * Text that strangers gave, as one word of a POSIX shell: quoted where a shell would take it for something else. Characters that are not seen, or that
 * steer a terminal, stand as bytes in `$'…'`, which bash and zsh read: so the word is the text, and can be copied.
 */
export function shellWord(text: string): string {
  if (/^[\w./:][\w./:-]*$/.test(text)) return text;
  if (!unseen.test(text)) return `'${text.replaceAll("'", String.raw`'\''`)}'`;
  return `$'${Array.from(text, (character) => (unseen.test(character) ? bytesOf(character) : character.replace(/[\\']/, String.raw`\$&`))).join("")}'`;
}

const unseen = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;

/** Three octal digits each: unlike `\x`, they end where they end. */
function bytesOf(character: string): string {
  return Array.from(Buffer.from(character), (byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
}
