import { isJsonObject } from "../base/json.ts";
import type { MetaStore } from "../store/store.ts";
import type { ClusterPlace } from "./cluster-place.ts";

/** The name in lh_meta of where the worker that started last finds Restate. */
const noteName = "restate";

/** Notes where a worker finds Restate, for who looks at the team later. An address that holds a password is not kept. */
export async function noteRestate(meta: Pick<MetaStore, "set">, { ingress, admin }: ClusterPlace["restate"]): Promise<void> {
  if ([ingress, admin].some((address) => new URL(address).password !== "")) return;
  await meta.set(noteName, { ingress, admin });
}

/** Null when no worker noted it, or somebody wrote there what is no address. */
export async function readRestateNote(meta: Pick<MetaStore, "get">): Promise<ClusterPlace["restate"] | null> {
  const note = await meta.get(noteName);
  if (!isJsonObject(note)) return null;
  const { ingress, admin } = note;
  return isAddress(ingress) && isAddress(admin) ? { ingress, admin } : null;
}

function isAddress(value: unknown): value is string {
  return typeof value === "string" && URL.canParse(value);
}
