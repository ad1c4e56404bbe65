/** What configuration needs to know of everything that has options. */
import type { OptionSpec } from "../options.js";
import type { MethodModule } from "./plugin.js";

/** What the configuration needs to know of a method, model or data set. */
export interface Named {
  readonly name: string;
  readonly options: OptionSpec;
  /** Other names for it with some options set ("wrn-28-2"). */
  readonly presets?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export interface Registries {
  /** `module`: the file of a method from outside the package. */
  readonly methods: readonly (Named & { readonly usesUnlabeled: boolean; readonly module?: string })[];
  readonly models: readonly Named[];
  readonly dataSets: readonly (Named & { readonly needsDir: boolean; readonly takesFolders?: boolean })[];
  readonly optimizer: OptionSpec;
}

/** The registries with a method from outside the package (`loadMethod`), so that a configuration may name it. */
export function withMethod(registries: Registries, { definition, path }: MethodModule): Registries {
  // First, so that the help of an option that others have too is its own.
  return { ...registries, methods: [{ ...definition, module: path }, ...registries.methods] };
}
