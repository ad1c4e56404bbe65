/** What configuration needs to know of everything that has options. */
import type { OptionSpec } from "../options.js";

/** What the configuration needs to know of a method, model or data set. */
export interface Named {
  readonly name: string;
  readonly options: OptionSpec;
  /** Other names for it with some options set ("wrn-28-2"). */
  readonly presets?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export interface Registries {
  readonly methods: readonly (Named & { readonly usesUnlabeled: boolean })[];
  readonly models: readonly Named[];
  readonly dataSets: readonly (Named & { readonly needsDir: boolean })[];
  readonly optimizer: OptionSpec;
}
