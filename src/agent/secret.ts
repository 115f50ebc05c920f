/** A name that stands for a secret value. The value is looked up when it is used, and is blanked out of every record. */
export interface SecretReference {
  readonly kind: "secret";
  readonly name: string;
  /** Read from this file instead of the environment; trailing line ends are dropped. */
  readonly file: string | null;
}

/** A secret from the environment variable `name`, or from a file (a mounted secret). */
export function secret(name: string, options: { readonly file?: string } = {}): SecretReference {
  return { kind: "secret", name, file: options.file ?? null };
}

export function isSecretReference(value: unknown): value is SecretReference {
  return typeof value === "object" && value !== null && (value as { kind?: unknown }).kind === "secret";
}
