/** Whether a written file computes what the network does: golden pictures, and the error over the test set. */
import { FewlabelsError } from "../errors.js";
import type { ImageSet } from "../images/image-set.js";
import type { FileRunner } from "./runtime.js";
import type { Source } from "./source.js";
import type { TestSet } from "./test-set.js";

/** Largest difference of logits that passes, relative to the largest of them, for float32 files. */
export const tolerance = 1e-4;

/** Pictures of the test set, or, without one, waves, noise, an almost flat and a flat one: `count` of them, as they are decoded. */
export async function goldenPictures(source: Source, test: TestSet | undefined, count = 8): Promise<ImageSet> {
  if (test) for await (const images of test.batches(count, count)) if (images.count > 0) return images;
  const { channels, height, width } = source.picture;
  const area = height * width;
  const levels = Uint8Array.from({ length: count * channels * area }, (_, i) => {
    const [row, c, at] = [Math.floor(i / (channels * area)), Math.floor(i / area) % channels, i % area];
    if (row >= count - 2) return row === count - 2 && at % 31 === 0 ? 101 : 100;
    const wave = Math.sin(((at % width) * (row + 1)) / 7 + c) * Math.cos(Math.floor(at / width) / (3 + row));
    return row % 2 === 0 ? 127 + 120 * wave : (at * 2654435761 * (row + 1) + c * 97) >>> 24;
  });
  const { unit = 255 } = source.normalizing;
  const pixels = unit === 255 ? levels : Float32Array.from(levels, (level) => (level * unit) / 255);
  return { pixels, count, channels, height, width, labels: new Int32Array(count).fill(-1) };
}

const pixelsOf = ({ pixels }: ImageSet) => (pixels instanceof Float32Array ? pixels : Float32Array.from(pixels));
const shapeOf = ({ count, channels, height, width }: ImageSet) => [count, channels, height, width];

/** Largest difference, relative to the largest logit. */
export function relativeDifference(a: Float32Array, b: Float32Array): number {
  const largest = b.reduce((top, v) => Math.max(top, Math.abs(v)), 1e-6);
  return (
    a.reduce(
      (worst, v, i) => Math.max(worst, Math.abs(v - b[i]!)),
      a.length === b.length ? 0 : Number.POSITIVE_INFINITY,
    ) / largest
  );
}

/** Throws FewlabelsError where a float32 file differs. Returns the difference. */
export async function checkGolden(
  source: Source,
  runner: FileRunner,
  golden: ImageSet,
  exact: boolean,
): Promise<number> {
  const got = await runner.logits(pixelsOf(golden), shapeOf(golden));
  const difference = relativeDifference(got, source.logits(golden));
  const bad = exact ? !(difference <= tolerance) : !Number.isFinite(difference);
  if (bad) {
    throw new FewlabelsError(
      `export: the written file gives other logits than the network (relative difference ${difference.toExponential(1)}, ${tolerance} allowed, by ${runner.name}); nothing was kept. This is a fault in fewlabels; please report it with the name of the network`,
    );
  }
  return difference;
}

export interface TestComparison {
  readonly images: number;
  /** Percent. */
  readonly error: number;
  readonly exportedError: number;
  /** Pictures whose class changed. */
  readonly changed: number;
  /** Of the exported file, by picture: the probability of its class, and whether that is right. */
  readonly confidence: Float64Array;
  readonly right: Uint8Array;
}

/** Pictures of the test set through both, `count` of them. */
export async function compareOnTest(
  source: Source,
  runner: FileRunner,
  test: TestSet,
  count = test.count,
): Promise<TestComparison> {
  const classes = source.record.classes.length;
  const [confidence, right]: [number[], number[]] = [[], []];
  let [wrong, exportedWrong, changed] = [0, 0, 0];
  for await (const images of test.batches(250, count)) {
    if (images.count === 0) continue;
    const theirs = await runner.logits(pixelsOf(images), shapeOf(images));
    const ours = source.logits(images);
    images.labels.forEach((label, i) => {
      const [a, b] = [ours, theirs].map((all) => best(all.subarray(i * classes, (i + 1) * classes))) as [Best, Best];
      wrong += a.label === label ? 0 : 1;
      exportedWrong += b.label === label ? 0 : 1;
      changed += a.label === b.label ? 0 : 1;
      confidence.push(b.probability);
      right.push(b.label === label ? 1 : 0);
    });
  }
  const images = right.length;
  const share = (n: number) => (100 * n) / images;
  return {
    images,
    error: share(wrong),
    exportedError: share(exportedWrong),
    changed,
    confidence: Float64Array.from(confidence),
    right: Uint8Array.from(right),
  };
}

interface Best {
  readonly label: number;
  readonly probability: number;
}

function best(logits: Float32Array): Best {
  const label = logits.reduce((top, v, k) => (v > logits[top]! ? k : top), 0);
  const sum = logits.reduce((total, v) => total + Math.exp(v - logits[label]!), 0);
  return { label, probability: 1 / sum };
}

/** A threshold that no confidence reaches, not even 1; a number, for readers of JSON that compare with it. */
export const NEVER = 2;

/** From which confidence on the answers can be trusted. */
export interface Threshold {
  readonly threshold: number;
  /** Share of the test pictures at or above it, and of those the share that is right; absent where nothing was measured. */
  readonly sure?: number;
  readonly rightWhenSure?: number;
  /** What was asked for. */
  readonly wanted: number;
}

/**
 * The least confidence at which at least `wanted` of the test pictures that are as confident are right. `NEVER` where no confidence
 * will do; 0.5 without a test set.
 */
export function sureThreshold(
  test: Pick<TestComparison, "confidence" | "right"> | undefined,
  wanted = 0.95,
): Threshold {
  if (!test || test.right.length === 0) return { threshold: 0.5, wanted };
  const order = Uint32Array.from(test.right, (_, i) => i).sort((a, b) => test.confidence[b]! - test.confidence[a]!);
  let found: Threshold = { threshold: NEVER, sure: 0, rightWhenSure: 0, wanted };
  let right = 0;
  order.forEach((i, rank) => {
    right += test.right[i]!;
    const next = order[rank + 1];
    // Equal confidences are on the same side.
    if (next !== undefined && test.confidence[next] === test.confidence[i]) return;
    const share = right / (rank + 1);
    if (share >= wanted)
      found = { threshold: test.confidence[i]!, sure: (rank + 1) / order.length, rightWhenSure: share, wanted };
  });
  return found;
}
