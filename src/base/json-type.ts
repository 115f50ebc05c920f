/** Plain data. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
/** A plain object of plain data. */
export interface JsonObject {
  readonly [key: string]: Json;
}
