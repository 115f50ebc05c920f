import { expect, it } from "vitest";
import { type Column, formatTable } from "./table.ts";

interface Agent {
  readonly name: string;
  readonly tasks: number;
  readonly note: string;
}
const columns: readonly Column<Agent>[] = [
  { title: "agent", value: (agent) => agent.name },
  { title: "tasks", value: (agent) => String(agent.tasks), align: "right" },
  { title: "note", value: (agent) => agent.note, grows: true },
];

it("aligns columns by what is seen, also with wide characters", () => {
  const rows = [{ name: "東京", tasks: 7, note: "ok" }, { name: "scout", tasks: 120, note: "" }];

  expect(formatTable(columns, rows, { columns: null })).toEqual(["agent  tasks  note", "東京       7  ok", "scout    120"]);
});

it("cuts only the growing column when the terminal is narrow", () => {
  const rows = [{ name: "scout", tasks: 1, note: "a sentence that is far too long for it" }];

  expect(formatTable(columns, rows, { columns: 34 })).toEqual(["agent  tasks  note", "scout      1  a sentence that is …"]);
});

it("keeps a readable rest of a growing column on a terminal that is too narrow for anything", () => {
  const [, line = ""] = formatTable(columns, [{ name: "scout", tasks: 1, note: "a sentence that is far too long" }], { columns: 10 });

  expect(line).toBe("scout      1  a sentence …");
});

it("prints the titles alone when there are no rows", () => {
  expect(formatTable(columns, [], { columns: 80 })).toEqual(["agent  tasks  note"]);
});
