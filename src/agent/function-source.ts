const sourceSymbol = Symbol.for("longhaul.source");

/** What a function does, as text: its source, or what `withSource` says of it. */
export function sourceOf(body: object): string {
  const declared: unknown = (body as { readonly [sourceSymbol]?: unknown })[sourceSymbol];
  return typeof declared === "string" ? declared : Function.prototype.toString.call(body);
}

/** Says what a function that we made for a user does: its own source is the same whatever it was made from. */
export function withSource<F extends (...parameters: never[]) => unknown>(body: F, source: string): F {
  return Object.defineProperty(body, sourceSymbol, { value: source });
}
