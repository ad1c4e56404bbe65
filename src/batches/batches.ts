/** Batches of images that are all in memory. */
import type { Views } from "../batch.js";
import type { Loader } from "./loader.js";
import type { Sampler } from "./sampler.js";
import type { BatchSource } from "./source.js";

/** Nothing to wait for, nothing to say. */
export function memoryBatches<L extends Views, U extends Views>(
  sampler: Sampler,
  loader: Loader<L, U>,
): BatchSource<L, U> {
  return {
    prepare: () => undefined,
    batch: (step) => loader.batch(sampler.next(), step),
    get epoch() {
      return sampler.epoch;
    },
    remarks: () => [],
    close: async () => {},
    stateDict: () => sampler.stateDict(),
    loadStateDict: (state) => sampler.loadStateDict(state),
  };
}
