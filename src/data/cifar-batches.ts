/** The Python version of CIFAR-10 and CIFAR-100, the commonest download: pickled dicts of pixels (NumPy) and labels. */
import { DataError } from "../errors.js";
import { unpickle } from "../files/pickle.js";
import { NumpyArray, plainNames } from "../files/pickle-names.js";
import type { ImageSet } from "../images/image-set.js";

const imageBytes = 3 * 32 * 32;

export interface BatchLayout {
  /** Key of the labels: `labels`, `fine_labels`, `coarse_labels`. */
  readonly labels: string;
  readonly numClasses: number;
}

/** Reads whole files into one set, in order; nothing in them is executed. Pure; throws DataError naming the file. */
export function parseCifarBatches(
  files: readonly { readonly content: Uint8Array; readonly file: string }[],
  layout: BatchLayout,
): ImageSet {
  const batches = files.map(({ content, file }) => parseBatch(content, file, layout));
  const count = batches.reduce((sum, { labels }) => sum + labels.length, 0);
  const pixels = new Uint8Array(count * imageBytes);
  const labels = new Int32Array(count);
  let image = 0;
  for (const batch of batches) {
    pixels.set(batch.pixels, image * imageBytes);
    labels.set(batch.labels, image);
    image += batch.labels.length;
  }
  return { pixels, count, channels: 3, height: 32, width: 32, labels };
}

/** Each row of `data` is an image, plane by plane, as in the binary version. */
function parseBatch(content: Uint8Array, file: string, { labels: key, numClasses }: BatchLayout) {
  const { value } = unpickle(content, { who: file, names: plainNames });
  // A key is text, or bytes where Python 3 wrote what it had read of Python 2.
  const entries = value instanceof Map ? [...value].map(([name, own]) => [textOf(name), own] as const) : [];
  const found = new Map(entries);
  const [data, list] = [found.get("data"), found.get(key)];
  if (!(data instanceof NumpyArray) || !Array.isArray(list)) {
    const keys = [...found.keys()].join(", ") || "no dict";
    throw new DataError(`${file}: expected a dict with "data" and "${key}", found ${keys}. This is another file`);
  }
  const [rows, width] = data.shape;
  const bytes = data.type.endsWith("u1") && !data.fortran && width === imageBytes && data.shape.length === 2;
  if (!bytes || rows !== list.length) {
    throw new DataError(
      `${file}: expected bytes [N, ${imageBytes}] and N labels, found ${data.type} [${data.shape.join(", ")}] and ${list.length} labels`,
    );
  }
  const labels = Int32Array.from(list, (label: unknown, i) => {
    if (typeof label === "number" && Number.isInteger(label) && label >= 0 && label < numClasses) return label;
    throw new DataError(`${file}: image ${i} has label ${String(label)}, expected 0..${numClasses - 1}`);
  });
  return { pixels: data.bytes, labels };
}

function textOf(key: unknown): string {
  return key instanceof Uint8Array ? Buffer.from(key).toString("latin1") : String(key);
}
