/** Samplers one after the other: the first for so many batches, then the next. */
import { DataError } from "../errors.js";
import type { State } from "../stateful.js";
import type { Sampler } from "./sampler.js";

/**
 * `parts` are (batches, sampler) in order; the last one goes on for ever. Its epoch counts the passes of the part under
 * way on top of those before. Each sampler draws from its own generator, so a part is the same whatever came before.
 */
export function phased(parts: readonly (readonly [number, Sampler])[]): Sampler {
  let done = 0;
  const current = () => {
    let start = 0;
    let passes = 0;
    for (const [batches, sampler] of parts.slice(0, -1)) {
      if (done < start + batches) return { sampler, passes };
      start += batches;
      passes += sampler.epoch;
    }
    return { sampler: parts.at(-1)![1], passes };
  };
  return {
    next() {
      const rows = current().sampler.next();
      done++;
      return rows;
    },
    get epoch() {
      const { sampler, passes } = current();
      return passes + sampler.epoch;
    },
    get stepsPerEpoch() {
      return current().sampler.stepsPerEpoch;
    },
    stateDict: () => ({
      tensors: {},
      values: { done, parts: parts.map(([, sampler]) => sampler.stateDict().values) },
    }),
    loadStateDict({ values }: State) {
      const saved = values.parts as readonly State["values"][] | undefined;
      if (typeof values.done !== "number" || saved?.length !== parts.length) {
        throw new DataError(`sampler: expected the state of ${parts.length} phases, found ${saved?.length ?? "none"}`);
      }
      parts.forEach(([, sampler], i) => void sampler.loadStateDict({ tensors: {}, values: saved[i]! }));
      done = values.done;
    },
  };
}
