/** What to do where a step wants more memory than there is. */
import { EngineError } from "../errors.js";

const full = /out of memory|can't allocate memory/;

/** `error`, or, where the engine found no memory, one that says which options need less of it. */
export function withMemoryAdvice(error: unknown): unknown {
  if (!(error instanceof EngineError) || !full.test(error.message)) return error;
  const advice =
    "A smaller --batch, --accumulate 2 (its rows in groups), --recompute or, in evaluations, a smaller --test-batch needs less (docs/memory.md)";
  return new EngineError(`${error.message.split("\n")[0]}. ${advice}`, { cause: error });
}
