/** What a data set is: images, labels, class names. One file per data set, listed in `index.ts`. */
import type { WeakName } from "../augment/photo.js";
import type { StrongName } from "../augment/strong.js";
import type { DamagedFile, Decoding, ImageSet, Normalization, ShardPool } from "../images/image-set.js";
import type { Found } from "../labels/label-file.js";
import type { OptionSpec, OptionsOf } from "../options.js";
import type { Rng } from "../rng.js";
import type { OfficialData } from "./download/official-files.js";

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
  /** Default weak view of the run. Default "translate". */
  readonly weak?: WeakName;
  /** Default strong view of the run. Default "fixmatch". */
  readonly strong?: StrongName;
  /** Name of a training image as label files call it (`47689_airplane.png`), when the set has such names. */
  nameOf?(index: number): string;
  /**
   * The training image that a label file calls so, where there is more than one way to call it; `pseudo`: the row is a model's guess, for
   * images without a label. Throws DataError where it is ambiguous.
   */
  locate?(name: string, pseudo?: boolean): Found;
  /** By training image: a word for its content, the same for copies, where contents are known. Copies never validate what they train. */
  readonly contents?: readonly string[];
  /** The labels file has become `train.labels`, so there is nothing left to read from it. */
  readonly labelsFileRead?: boolean;
  /** Images that the labels file does not name keep the label that `train.labels` has for them. */
  readonly keepLabels?: boolean;
  /** What a user should know about the files: shown and logged as warnings. */
  readonly remarks?: readonly string[];
  /** Files that could not be read; the run goes on without them and lists them. */
  readonly damaged?: readonly DamagedFile[];
  /** Where names and contents of files tell more than pixels do; default: see `fingerprint`. */
  readonly fingerprint?: string;
  /** How files become images, for pictures that come later. */
  readonly decoding?: Decoding;
  /** Unlabeled images that stay on disk and are streamed; those in `train` are then the labeled ones. */
  readonly pool?: ShardPool;
}

/** What `load` gets. */
export interface LoadContext<S extends OptionSpec = OptionSpec> {
  /** The folder given by `--data`, or undefined. */
  readonly dir: string | undefined;
  /** Given by `--labels FILE`. Only sets that take folders read it themselves. */
  readonly labelsFile?: string | undefined;
  /** Given by `--unlabeled DIR` (or shards); only for sets that take them. */
  readonly unlabeledDir?: string | undefined;
  /** For generated sets. */
  readonly rng: Rng;
  readonly options: OptionsOf<S>;
}

export interface DataSetDefinition<S extends OptionSpec = OptionSpec, N extends string = string> {
  readonly name: N;
  readonly summary: string;
  /** Where it comes from. */
  readonly source: string;
  readonly options: S;
  /** Whether `--data DIR` is needed. */
  readonly needsDir: boolean;
  /** Whether `--unlabeled` may be a folder. Such a set trains with all its labels by default. */
  readonly takesFolders?: boolean;
  /** What `--unlabeled` names is not held in memory but streamed. */
  readonly streamsUnlabeled?: boolean;
  /** Where its files are, for `fewlabels data download` and for the advice of errors. */
  readonly official?: OfficialData;
  /** Absolute path of the file that defines it, where it is not the package's own. */
  readonly module?: string;
  /** Reads or generates it. Throws DataError that says which file, expected and found size. */
  load(context: LoadContext<S>): Promise<DataSet>;
}

/** Identity function that infers the types of a data set from its declaration. */
export function defineDataSet<const S extends OptionSpec, const N extends string>(
  definition: DataSetDefinition<S, N>,
): DataSetDefinition<S, N> {
  return definition;
}
