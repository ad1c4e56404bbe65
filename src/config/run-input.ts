/** A run as a program asks for it: every key and every value is checked by the compiler. */
import type { OptionSpec, OptionsOf } from "../options.js";
import type { BuiltIn, Listing } from "./catalog.js";
import type { RunOptionValues } from "./run-options.js";

type Loose<T> = { readonly [K in keyof T]?: T[K] | undefined };

interface Typed {
  readonly name: string;
  readonly options: OptionSpec;
}

/** Names of a definition: its own, and those of its presets. */
type NamesOf<D extends Typed> = D["name"] | (D extends { readonly presets: infer P } ? keyof P & string : never);

/** A name, or a name with some of its own options; the name may be left out where it is `Default`. */
type Choice<D extends Typed, Default extends string = never> = D extends Typed
  ? NamesOf<D> | (Naming<NamesOf<D>, Default> & Loose<OptionsOf<D["options"]>>)
  : never;
type Naming<N extends string, Default extends string> = [Default & N] extends [never]
  ? { readonly name: N }
  : { readonly name?: N };

/**
 * `dataset: "digits"`, or `dataset: { name: "digits", train: 500 }`; method, model and optimizer likewise. The other keys are those
 * of `fewlabels train --help`. `C`: the catalog whose names are known.
 */
export interface RunInput<C extends Listing = BuiltIn>
  extends Loose<Omit<RunOptionValues, "dataset" | "method" | "model" | "labels">> {
  readonly dataset: Choice<C["dataSets"][number]>;
  /** How many, "all", or a labels file. */
  readonly labels?: number | string;
  readonly method?: Choice<C["methods"][number], "mean-teacher">;
  readonly model?: Choice<C["models"][number], "cnn-13">;
  readonly optimizer?: Choice<C["optimizers"][number], "adam">;
}
