// npm publishes its own client without types; this is the slice that the example uses.
declare module "@npmcli/config" {
  export default class Config {
    constructor(options: { readonly npmPath: string; readonly definitions: object; readonly flatten: object; readonly shorthands: object; readonly argv: readonly string[]; readonly cwd: string; readonly warn: boolean });
    load(): Promise<void>;
    readonly flat: Readonly<Record<string, unknown>>;
  }
}
declare module "@npmcli/config/lib/definitions/index.js" {
  export const definitions: object;
  export const flatten: object;
  export const shorthands: object;
}
declare module "npm-registry-fetch" {
  const fetchFromRegistry: { json(path: string, options: Readonly<Record<string, unknown>>): Promise<unknown> };
  export default fetchFromRegistry;
}
