import type { Tensor } from "./torch/index.js";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** What a checkpoint holds of one owner: tensors go to safetensors, values to JSON. */
export interface State {
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly values: Readonly<Record<string, Json>>;
}

/** Anything whose whole state can be saved and put back bit for bit. */
export interface Stateful {
  /** Live references, not copies: read them before the next step. */
  stateDict(): State;
  /** Copies `state` in place. Throws DataError on a missing, unexpected or mis-shaped entry. */
  loadStateDict(state: State): void;
}
