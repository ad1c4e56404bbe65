/** What a run's views look like: pictures and their augmented versions, back as bytes. */
import type { Views } from "../../batch.js";
import { createLoader } from "../../batches/loader.js";
import { holdRows, type ImageStore, placesOf } from "../../batches/store.js";
import { catalog as builtIn, type Catalog, choose } from "../../config/catalog.js";
import { withModules } from "../../config/plugin.js";
import type { RunConfig } from "../../config/resolve.js";
import { UsageError } from "../../errors.js";
import type { Picture } from "../../images/contact-sheet.js";
import { Rng } from "../../rng.js";
import { scope, setThreads, type Tensor } from "../../torch/index.js";
import { type PreparedData, prepareData } from "../data.js";
import { resolveDevice } from "../device.js";
import { photoDefaults } from "../photos/photo-defaults.js";
import { viewsOf } from "../views.js";

export interface PreviewOptions {
  /** Rows: half of them labeled images, where there are as many of both kinds. */
  readonly images: number;
  /** Draws of each augmented view. */
  readonly draws: number;
  /** What the names in the configuration mean; default what comes with the package. */
  readonly catalog?: Catalog;
}

export interface Preview {
  /** Names of the columns: original, eval (where it is not the original), weak 1, ..., strong 1, ... */
  readonly columns: readonly string[];
  readonly rows: readonly {
    /** Position in the training set. */
    readonly index: number;
    /** Its class, where training sees one. */
    readonly label: string | undefined;
    readonly pictures: readonly Picture[];
  }[];
  /** What the user should know. */
  readonly remarks: readonly string[];
}

/** The views of the first step of `config`, of images drawn with its seed. Throws UsageError or DataError. */
export async function previewRun(
  given: RunConfig,
  { images, draws, catalog = builtIn }: PreviewOptions,
): Promise<Preview> {
  setThreads(given.threads);
  const { dataSet, method: definition } = choose(given, await withModules(catalog, given.modules));
  const { config } = await photoDefaults(given, dataSet, definition, resolveDevice(given.device));
  const declared = Object.values(viewsOf(definition, config));
  const data = await prepareData(config, dataSet, declared);
  try {
    const { train, split } = data;
    const [channels, height, width] = [train.images.size(1), train.images.size(2), train.images.size(3)];
    if ((channels !== 1 && channels !== 3) || height * width < 2) {
      throw new UsageError(
        `preview: data set ${config.dataset} has no pictures but ${channels}x${height}x${width} numbers`,
      );
    }
    const rng = Rng.fromSeed(config.seed);
    const rows = chooseRows(data, images, rng.split("preview"));
    await holdRows(train, rows, "preview");
    const remarks: string[] = [];
    const strong = declared.some((part) => Object.values(part).some(({ augment }) => augment === "strong"));
    const bytes = train.pixels instanceof Uint8Array;
    if (!bytes) remarks.push("whitened pixels are stretched to black .. white, each picture by itself");
    // A recipe cannot be made of whitened pixels, and a method without strong views does not ask for it.
    const withStrong = bytes || strong;
    if (!withStrong) remarks.push("no strong views: whitened pixels have none, and the method reads none");
    const made = viewPictures(data, rows, { draws, strong: withStrong, rng });
    const plain = originals(data, rows);
    return {
      columns: ["original", ...Object.keys(made)],
      rows: [...rows].map((index, i) => ({
        index,
        label: data.classes[split.y[index]!],
        pictures: [plain, ...Object.values(made)].map((column) => column[i]!),
      })),
      remarks: [...data.remarks, ...remarks],
    };
  } finally {
    data.release();
  }
}

/**
 * The images `rows` (which are held) in the views of a run, by name: eval (where it is not the original), weak 1, ..., strong 1, ...
 * Nothing is drawn from `rng`.
 */
export function viewPictures(
  { train, split, translate, flip, pad, strong: recipe }: PreparedData,
  rows: Int32Array,
  { draws, strong, rng }: { readonly draws: number; readonly strong: boolean; readonly rng: Rng },
): Readonly<Record<string, Picture[]>> {
  const names = (kind: "weak" | "strong") => Array.from({ length: draws }, (_, i) => `${kind} ${i + 1}`);
  const views: Views = Object.fromEntries([
    ...(train.evaluation ? [["eval", { augment: "none" }] as const] : []),
    ...names("weak").map((name) => [name, { augment: "weak" }] as const),
    ...(strong ? names("strong").map((name) => [name, { augment: "strong" }] as const) : []),
  ]);
  const loader = createLoader(train, split.y, {
    views: { labeled: {}, unlabeled: views },
    translate,
    flip,
    pad,
    strong: recipe,
    rng: rng.split("views"),
  });
  return scope(() => {
    const { x } = loader.batch({ labeled: new Int32Array(0), unlabeled: rows }, 0).unlabeled;
    return Object.fromEntries(Object.entries(x).map(([name, view]) => [name, picturesOf(view, rows, train)]));
  });
}

/** The images `rows` (which are held) as they came from the data set. */
export function originals({ train, split }: Pick<PreparedData, "train" | "split">, rows: Int32Array): Picture[] {
  return scope(() => {
    const whole = createLoader({ ...train, evaluation: undefined, photo: undefined }, split.y, {
      views: { labeled: {}, unlabeled: { original: { augment: "none" } } },
      translate: 0,
      flip: false,
      rng: Rng.fromSeed(0), // a view without augmentation draws nothing
    });
    const { x } = whole.batch({ labeled: new Int32Array(0), unlabeled: rows }, 0).unlabeled;
    return picturesOf(x.original, rows, train);
  });
}

/** Labeled images first: half, or as many as it takes. */
function chooseRows({ split }: PreparedData, count: number, rng: Rng): Int32Array {
  const labeled = rng.split("labeled").shuffle(split.labeled.slice());
  const others = rng.split("unlabeled").shuffle(split.unlabeled.filter((i) => split.y[i]! < 0));
  const fromLabeled = Math.min(labeled.length, Math.max(Math.ceil(count / 2), count - others.length));
  return Int32Array.from([...labeled.subarray(0, fromLabeled), ...others.subarray(0, count - fromLabeled)]);
}

/** Undoes the normalization of `view` (`[N, C, H, W]`); numbers that were no bytes are stretched. */
function picturesOf(view: Tensor, rows: Int32Array, store: ImageStore): Picture[] {
  const { scaling, pixels } = store;
  const places = placesOf(store, rows);
  const [count, channels, height, width] = view.shape as [number, number, number, number];
  const values = view.toNumbers();
  const area = height * width;
  return Array.from({ length: count }, (_, row) => {
    const own = values.slice(row * channels * area, (row + 1) * channels * area);
    const level = (c: number, i: number): number => {
      const k = scaling.per === "image" ? places[row]! : c;
      return (own[c * area + i]! - scaling.offset[k]!) / scaling.scale[k]!;
    };
    const [low, high] =
      pixels instanceof Uint8Array
        ? [0, 255]
        : [own.reduce((a, b) => Math.min(a, b)), own.reduce((a, b) => Math.max(a, b))];
    const rgb = new Uint8Array(3 * area);
    for (let i = 0; i < area; i++) {
      for (let c = 0; c < 3; c++) {
        const value = (255 * (level(channels === 1 ? 0 : c, i) - low)) / Math.max(high - low, 1e-9);
        rgb[3 * i + c] = Math.min(255, Math.max(0, Math.round(value)));
      }
    }
    return { width, height, rgb };
  });
}
