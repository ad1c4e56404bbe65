/** Runs on a data set of one's own: gray pictures of stripes of any shape, of bytes or of real numbers. */
import { catalog, extend } from "../../src/config/catalog.js";
import { flatten } from "../../src/config/given.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { defineDataSet } from "../../src/data/dataset.js";
import type { ImageSet } from "../../src/images/image-set.js";
import { trainConfig } from "../../src/train/train.js";

interface Shape {
  readonly width: number;
  readonly height: number;
  /** Pixels are real numbers in 0 .. 1. */
  readonly real?: boolean;
}

function stripes(count: number, { width, height, real = false }: Shape): ImageSet {
  const area = width * height;
  const levels = Uint8Array.from({ length: count * area }, (_, at) => {
    const [i, x, y] = [Math.floor(at / area), at % width, Math.floor((at % area) / width)];
    return 40 + 150 * (((i % 2 === 0 ? x : y) >> 1) % 2) + ((at * 2654435761) >>> 27);
  });
  const pixels = real ? Float32Array.from(levels, (level) => level / 255) : levels;
  return { pixels, count, channels: 1, height, width, labels: Int32Array.from({ length: count }, (_, i) => i % 2) };
}

/** The catalog with this data set, called "own". */
export function ownCatalog(shape: Shape) {
  const own = defineDataSet({
    name: "own",
    summary: "stripes",
    source: "drawn here",
    needsDir: false,
    options: {},
    load: async () => ({
      name: "own",
      classes: ["upright", "flat"],
      train: stripes(40, shape),
      test: stripes(20, shape),
      flip: false,
      translate: 0,
      normalize: "channel",
    }),
  });
  return extend(catalog, { dataSets: [own] });
}

/** Trains a tiny network on it; returns its catalog, for what opens the run. */
export async function ownRun(out: string, shape: Shape, given: Readonly<Record<string, unknown>> = {}) {
  const known = ownCatalog(shape);
  const tiny = { dataset: "own", model: "mlp", method: "supervised", labels: 8, batch: 8, labeledBatch: 4, threads: 1 };
  const config = resolveConfig(flatten({ ...tiny, precision: "fp32", steps: 3, evalEvery: 0, out, ...given }), known);
  for await (const _ of trainConfig(config, { catalog: known }));
  return known;
}
