import { cutText } from "./cut-text.ts";
import type { Json } from "./json-type.ts";

const nameLengthMax = 100;

/** A name that strangers gave, for people: quoted where it is more than letters, digits and the like. */
export function quoteName(name: string): string {
  return /^[\w$./:-]+$/.test(name) ? cutText(name, nameLengthMax) : cutText(quote(name), nameLengthMax);
}

/** JSON in which whatever is not seen, or steers what is seen, stands as an escape. */
export function quote(value: Json, indent?: number): string {
  return JSON.stringify(value, null, indent).replaceAll(/(?!\n)[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}
