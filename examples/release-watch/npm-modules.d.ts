// npm publishes its own client without types; this is the slice that the example uses.
declare module "@npmcli/config" {
  export default class Config {
    constructor(options: { readonly npmPath: string; readonly definitions: object; readonly flatten: object; readonly shorthands: object; readonly argv: readonly string[]; readonly cwd: string; readonly warn: boolean });
    load(): Promise<void>;
    readonly flat: Readonly<Record<string, unknown>>;
  }
}
declare module "@npmcli/config/lib/definitions/index.js" {
  const npmDefinitions: { readonly definitions: object; readonly flatten: object; readonly shorthands: object };
  export default npmDefinitions;
}
declare module "npm-registry-fetch" {
  const fetchFromRegistry: { json(path: string, options: Readonly<Record<string, unknown>>): Promise<unknown> };
  export default fetchFromRegistry;
}
