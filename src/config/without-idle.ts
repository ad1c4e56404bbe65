/** Settings that many runs share, as the arms of an experiment do: where one cannot have an effect, it is left out. */
import { catalog as builtIn, type Listing } from "./catalog.js";
import { IdleOptionError } from "./effects.js";
import type { Given } from "./given.js";
import { resolveConfig } from "./resolve.js";

/** `given` without the options that `resolveConfig` would refuse for having no effect; other mistakes are left to it. */
export function withoutIdle(given: Given, catalog: Listing = builtIn): Given {
  const kept = new Map(given);
  for (;;) {
    const idle = idleOption(kept, catalog);
    if (idle === undefined || !kept.delete(idle)) return kept;
  }
}

function idleOption(given: Given, catalog: Listing): string | undefined {
  try {
    // The folder of the data matters to no option.
    resolveConfig(new Map([["data", "."], ...given]), catalog);
  } catch (error) {
    if (error instanceof IdleOptionError) return error.key;
  }
  return undefined;
}
