import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { shellWord } from "./shell-word.ts";

it("leaves what every shell takes as it is, and quotes what one would execute or take for an option", () => {
  expect(shellWord("call_1.a:b/c-d")).toBe("call_1.a:b/c-d");
  expect(shellWord("a;id")).toBe("'a;id'");
  expect(shellWord("-rf")).toBe("'-rf'");
  expect(shellWord("")).toBe("''");
});

it("is one line without a character that steers a terminal, and for a shell exactly the text", () => {
  for (const text of ["it's $(id) `id` \\ \"x\"", "x\u001B[31m1\u001B]0;t\u0007\r\n'\\n", "a\u202Eb\u200B\u009B2J7", "\u{E0041}é 漢"]) {
    const word = shellWord(text);

    expect(word).not.toMatch(/[\p{Cc}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}]/u);
    expect(execFileSync("bash", ["-c", `printf %s ${word}`], { encoding: "utf8" })).toBe(text);
  }
});
