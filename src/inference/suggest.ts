/** Which pictures of a folder to label next, by the features of a run or of weights. */
import { DataError } from "../errors.js";
import { suggest } from "../features/suggest.js";
import { Rng } from "../rng.js";
import { embed } from "./embed.js";
import { folderPictures, type LabeledFile } from "./folder-pictures.js";
import { openPictureModel, type PredictorOptions } from "./picture-model.js";

export interface SuggestOptions extends PredictorOptions {
  /** How many pictures. */
  readonly count: number;
  readonly labelsFile?: string | undefined;
  readonly seed?: number;
  /** Folder of features computed before; null: none. Default: `features` in the cache. */
  readonly cache?: string | null;
  /** Told once where features cannot be kept for the next time. */
  readonly onNote?: ((line: string) => void) | undefined;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Suggestion {
  /** The most useful first. `name`: as labels files call it. */
  readonly pictures: readonly { readonly name: string; readonly path: string }[];
  readonly by: "typical" | "uncertain";
  readonly labeled: number;
  readonly unlabeled: number;
  readonly damaged: readonly { readonly file: string; readonly reason: string }[];
  /** What the user should know about how the labels file was read. */
  readonly remarks: readonly string[];
}

/** Throws DataError where the folder holds no picture without a label, UsageError where the source is none. */
export async function suggestLabels(source: string, dir: string, options: SuggestOptions): Promise<Suggestion> {
  const { labelsFile } = options;
  const {
    files: all,
    classes,
    byFolders,
    remarks,
  } = folderPictures(dir, { labelsFile, fewestFolders: 0, fewestNamed: 1 });
  const [files, numClasses] = [all.filter(({ part }) => part !== "test"), classes.length];
  if (files.length === 0) throw new DataError(`${dir}: found no pictures to label. Check the folder`);
  if (!files.some(({ label }) => label < 0)) {
    const why = byFolders
      ? ", that of its class folder; pictures without one belong into DIR/unlabeled, or beside the class folders"
      : "";
    throw new DataError(`${dir}: there is nothing to suggest: every picture has a label${why}`);
  }
  const model = await openPictureModel(source, options);
  const found: (LabeledFile & { readonly features: Float32Array })[] = [];
  const damaged: { file: string; reason: string }[] = [];
  let at = 0;
  const { cache, onNote } = options;
  for await (const item of embed(
    model,
    files.map(({ path }) => path),
    { onNote, ...(cache === undefined ? {} : { cache }) },
  )) {
    const file = files[at++]!;
    if ("error" in item) damaged.push({ file: file.name, reason: item.error });
    else found.push({ ...file, features: item.features });
    options.onProgress?.(at, files.length);
  }
  const size = found[0]?.features.length;
  if (size === undefined) throw new DataError(`${dir}: not one picture could be read`);
  const features = new Float32Array(found.length * size);
  for (const [i, row] of found.entries()) features.set(row.features, i * size);
  const y = Int32Array.from(found, ({ label }) => label);
  const { rows, by } = suggest({ features, size, y, numClasses }, options.count, Rng.fromSeed(options.seed ?? 1));
  const labeled = y.filter((label) => label >= 0).length;
  const pictures = rows.map((row) => ({ name: found[row]!.name, path: found[row]!.path }));
  return { pictures, by, labeled, unlabeled: y.length - labeled, damaged, remarks };
}
