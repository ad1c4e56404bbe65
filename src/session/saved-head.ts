/** Heads that a checkpoint holds in place of the network's own: its tensors say which, and how large. */
import { type Module, NEIGHBORS, neighbors } from "../nn/index.js";
import type { Checkpoint } from "../run/index.js";

export interface SavedHead {
  readonly name: string;
  readonly module: Module;
}

/** The head of nearest neighbors that `knn` leaves, without values yet; undefined where the network has its own. */
export function savedHead({ owners }: Checkpoint, role: string): SavedHead | undefined {
  const shape = (name: string) => owners[role]?.tensors[`${NEIGHBORS}.${name}`]?.shape;
  const [features, classes, nearest] = [shape("features"), shape("classes"), shape("nearest")];
  if (!features || !classes || !nearest) return undefined;
  const [[count = 0, size = 0], [, numClasses = 0], [most = 0]] = [features, classes, nearest];
  return { name: NEIGHBORS, module: neighbors({ count, size, numClasses, most }) };
}
