/** Settings that many runs share, as the arms of an experiment do: where one cannot have an effect, it is left out. */
import { UsageError } from "../errors.js";
import { catalog as builtIn, type Listing } from "./catalog.js";
import { IdleOptionError } from "./effects.js";
import type { Describe, Given } from "./given.js";
import { resolveConfig } from "./resolve.js";

/** `given` without the options that `resolveConfig` would refuse for having no effect; other mistakes are left to it. */
export function withoutIdle(given: Given, catalog: Listing = builtIn): Given {
  return split(given, catalog).kept;
}

/**
 * Throws UsageError for an option of `laidOver` that has an effect in none of the runs `all`, over which it is laid: left out of each of
 * them, it would be ignored without a word.
 */
export function checkLaidOver(
  laidOver: Iterable<string>,
  all: readonly Given[],
  { catalog = builtIn, describe }: { readonly catalog?: Listing; readonly describe: Describe },
): void {
  const idle = all.map((given) => split(given, catalog, describe).idle);
  for (const key of laidOver) {
    const why = idle[0]?.get(key);
    if (why === undefined || !idle.every((one) => one.has(key))) continue;
    const { who, name } = describe(key);
    throw new UsageError(`${who}: ${name} has no effect in any of these runs: ${why}. Leave it out`);
  }
}

/** What of `given` has an effect, and why the rest has none. */
function split(given: Given, catalog: Listing, describe?: Describe) {
  const kept = new Map(given);
  const idle = new Map<string, string>();
  for (;;) {
    const found = idleOption(kept, catalog, describe);
    if (found === undefined || !kept.delete(found.key)) return { kept, idle };
    idle.set(found.key, found.why);
  }
}

function idleOption(given: Given, catalog: Listing, describe?: Describe): IdleOptionError | undefined {
  try {
    // The folder of the data matters to no option.
    resolveConfig(new Map([["data", "."], ...given]), catalog, describe && { describe });
  } catch (error) {
    if (error instanceof IdleOptionError) return error;
  }
  return undefined;
}
