/** What a data set is: images in memory, labels, class names. One file per data set, listed in `index.ts`. */
import type { OptionSpec, OptionsOf } from "../options.js";
import type { Rng } from "../rng.js";

/** Images of one size, all in memory: `pixels` is `[count, channels, height, width]`, row by row. */
export interface ImageSet {
  /** uint8 in 0..255 or float32 (already normalized, for instance by ZCA, or plain coordinates). */
  readonly pixels: Uint8Array | Float32Array;
  readonly count: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** `[count]`, class index in 0 .. K-1, or -1 where there is none. */
  readonly labels: Int32Array;
}

export interface DataSet {
  readonly name: string;
  readonly classes: readonly string[];
  /** Labeled and unlabeled images alike; an example's index is its position here. */
  readonly train: ImageSet;
  readonly test: ImageSet;
  /** Whether a mirrored image keeps its class (true for photos, false for digits). */
  readonly flip: boolean;
  /** Default translation in pixels per axis of the weak view. */
  readonly translate: number;
  /** Default normalization of the run. */
  readonly normalize: Normalization;
  /** Name of a training image as label files call it (`47689_airplane.png`), when the set has such names. */
  nameOf?(index: number): string;
}

export type Normalization = "none" | "channel" | "image" | "zca" | "gcn-zca";

/** What `load` gets. */
export interface LoadContext<S extends OptionSpec = OptionSpec> {
  /** The folder given by `--data`, or undefined. */
  readonly dir: string | undefined;
  /** For generated sets. */
  readonly rng: Rng;
  readonly options: OptionsOf<S>;
}

export interface DataSetDefinition<S extends OptionSpec = OptionSpec> {
  readonly name: string;
  readonly summary: string;
  /** Where it comes from. */
  readonly source: string;
  readonly options: S;
  /** Whether `--data DIR` is needed. */
  readonly needsDir: boolean;
  /** Reads or generates it. Throws DataError that says which file, expected and found size. */
  load(context: LoadContext<S>): Promise<DataSet>;
}

export function defineDataSet<const S extends OptionSpec>(definition: DataSetDefinition<S>): DataSetDefinition<S> {
  return definition;
}
