/** What an architecture declares: options, presets and a `create` that reads like the paper's table. */
import type { Network } from "../nn/index.js";
import type { OptionSpec, OptionsOf } from "../options.js";

/** What the data set fixes. */
export interface InputSpec {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly numClasses: number;
}

export const CIFAR_INPUT: InputSpec = { channels: 3, height: 32, width: 32, numClasses: 10 };

export interface ModelDefinition<S extends OptionSpec = OptionSpec> {
  readonly name: string;
  readonly paper: string;
  readonly summary: string;
  readonly options: S;
  /** Usual names for option values, also accepted by `--model`. */
  readonly presets: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** What the papers train it on, for `fewlabels model` and `list models`; default `CIFAR_INPUT`. */
  readonly input?: InputSpec;
  /** Throws UsageError where the input does not fit. */
  create(input: InputSpec, options: OptionsOf<S>): Network;
}

export function defineModel<const S extends OptionSpec>(definition: ModelDefinition<S>): ModelDefinition<S> {
  return definition;
}
