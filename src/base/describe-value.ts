const valueLengthMax = 80;

/** A value as short JSON, or what it is when it has no JSON. Never throws, whatever it is given. */
export function describeValue(value: unknown): string {
  if (value === undefined) return "missing";
  if (typeof value === "function") return "a function";
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "symbol") return String(value);
  const text = jsonOf(value);
  return text.length <= valueLengthMax ? text : `${text.slice(0, valueLengthMax)}…`;
}

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? kindOfValue(value);
  } catch {
    // A cycle, or a toJSON that throws: what it is remains to be said.
    return `${kindOfValue(value)} that has no JSON`;
  }
}

/** What a value is: "a Date", "a function", "NaN", "missing". Never throws, whatever it is given. */
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
    return typeof name === "string" && name !== "" && name !== "Object" ? name.slice(0, valueLengthMax) : null;
  } catch {
    // No constructor, or a getter that throws: that it is an object is all that can be said.
    return null;
  }
}
