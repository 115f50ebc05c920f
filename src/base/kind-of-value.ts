/** What a value is, in a message: "a Date", "a function", "NaN", "missing". Never throws, whatever it is given. */
export function kindOfValue(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (typeof value === "number") return Number.isFinite(value) ? "a number" : String(value);
  if (typeof value === "string") return "a text";
  if (typeof value !== "object") return `a ${typeof value}`;
  const name = Array.isArray(value) ? "list" : (classOf(value) ?? "object");
  return /^[aeio]/i.test(name) ? `an ${name}` : `a ${name}`;
}

function classOf(value: object): string | null {
  try {
    const name: unknown = value.constructor.name;
    return typeof name === "string" && name !== "" && name !== "Object" ? name.slice(0, classLengthMax) : null;
  } catch {
    // No constructor, or a getter that throws: that it is an object is all that can be said.
    return null;
  }
}

const classLengthMax = 80;
