import { expect, test } from "vitest";
import { describeChange, toOfferedTool } from "./mcp-pin.ts";

const schema = { type: "object" as const, properties: { path: { type: "string" } } };

test("the hash is of what models and people go by: name, title, description, input schema, annotations, in whatever order", () => {
  const tool = { name: "read", title: "Read", description: "Reads.", inputSchema: schema, annotations: { readOnlyHint: true } };
  const { hash } = toOfferedTool(tool);

  expect(toOfferedTool({ annotations: { readOnlyHint: true }, inputSchema: { properties: { path: { type: "string" } }, type: "object" }, description: "Reads.", title: "Read", name: "read" }).hash).toBe(hash);
  expect(toOfferedTool({ ...tool, outputSchema: { type: "object" } }).hash).toBe(hash);
  for (const changed of [{ ...tool, name: "read2" }, { ...tool, title: "x" }, { ...tool, description: "Reads. " }, { ...tool, inputSchema: { type: "object" as const } }, { ...tool, annotations: {} }, { name: "read", inputSchema: schema }]) expect(toOfferedTool(changed).hash).not.toBe(hash);
});

test("a change is told by the place, before and after, and quoted", () => {
  expect(describeChange({ description: "A.", inputSchema: { required: ["a"], properties: { a: 1 } } }, { description: "A.\u001b[2J", inputSchema: { required: ["a", "b"], properties: { b: 2 } } })).toEqual([
    'description: "A." → "A.\\u001b[2J"', 'inputSchema.required: ["a"] → ["a","b"]', "inputSchema.properties.a: gone, it was 1", "inputSchema.properties.b: new: 2",
  ]);
});

test("of many changes ten are told, and of a long value the beginning", () => {
  const lines = describeChange({ description: "x".repeat(1_000) }, Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`field_${index}`, index])));

  expect(lines).toHaveLength(11);
  expect(lines.at(-1)).toBe("and 11 more");
  expect(lines[0]).toMatch(/^description: gone, it was "x+… \(cut: 1002 characters\)$/);
});
