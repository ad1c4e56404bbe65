/** What an architecture declares: options, presets and a `create` that reads like the paper's table. */
import type { Network } from "../nn/index.js";
import type { OptionSpec, OptionsOf } from "../options.js";
import { sharedModelOptions } from "./shared-options.js";

/** What the data set fixes. */
export interface InputSpec {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly numClasses: number;
}

export const CIFAR_INPUT: InputSpec = { channels: 3, height: 32, width: 32, numClasses: 10 };

/** Usual names for option values. */
type Presets = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export interface ModelDefinition<
  S extends OptionSpec = OptionSpec,
  N extends string = string,
  P extends Presets = Presets,
> {
  readonly name: N;
  readonly paper: string;
  readonly summary: string;
  readonly options: S;
  /** Also accepted by `--model`. */
  readonly presets: P;
  /** What the papers train it on, for `fewlabels model` and `list models`; default `CIFAR_INPUT`. */
  readonly input?: InputSpec;
  /** Absolute path of the file that defines it, where it is not the package's own. */
  readonly module?: string;
  /** Throws UsageError where the input does not fit. */
  create(input: InputSpec, options: OptionsOf<S>): Network;
}

/** Infers the types of a network from its declaration, and adds the options that every network has. */
export function defineModel<const S extends OptionSpec, const N extends string, const P extends Presets>(
  definition: ModelDefinition<S, N, P>,
): ModelDefinition<S & typeof sharedModelOptions, N, P> {
  return { ...definition, options: { ...definition.options, ...sharedModelOptions } };
}
