/**
 * `two-moons`: points in the plane on two interleaved half circles, the toy of the Meta Pseudo Labels paper
 * (arXiv:2003.10580, Appendix). An "image" here is two channels of one pixel: x and y.
 */

import type { ImageSet } from "../images/image-set.js";
import { integer, number } from "../options.js";
import type { Rng } from "../rng.js";
import { type DataSet, defineDataSet } from "./dataset.js";

export const twoMoons = defineDataSet({
  name: "two-moons",
  summary: "2,000 generated points on two half circles, 2 classes; needs no files",
  source: "drawn by fewlabels",
  needsDir: false,
  options: {
    train: integer(2_000, { min: 2, max: 10_000_000, doc: "training points" }),
    test: integer(2_000, { min: 2, max: 10_000_000, doc: "test points" }),
    noise: number(0.1, { min: 0, max: 2, doc: "standard deviation of the noise on both coordinates; the radius is 1" }),
  },
  async load({ rng, options }): Promise<DataSet> {
    return {
      name: "two-moons",
      classes: ["upper", "lower"],
      train: drawMoons(rng.split("train"), options.train, options.noise),
      test: drawMoons(rng.split("test"), options.test, options.noise),
      flip: false,
      translate: 0,
      strong: "jitter",
      normalize: "none",
    };
  },
});

/**
 * `[count, 2, 1, 1]` float32; classes alternate. Upper moon (cos a, sin a), lower moon (1 - cos a, 1/2 - sin a), a uniform
 * in [0, pi], then moved so that the middle of both, (1/2, 1/4), is the origin.
 */
export function drawMoons(rng: Rng, count: number, noise: number): ImageSet {
  const pixels = new Float32Array(count * 2);
  const labels = Int32Array.from({ length: count }, (_, i) => i % 2);
  for (let i = 0; i < count; i++) {
    const angle = Math.PI * rng.float();
    const upper = i % 2 === 0;
    const x = upper ? Math.cos(angle) : 1 - Math.cos(angle);
    const y = upper ? Math.sin(angle) : 0.5 - Math.sin(angle);
    pixels[2 * i] = x - 0.5 + noise * rng.normal();
    pixels[2 * i + 1] = y - 0.25 + noise * rng.normal();
  }
  return { pixels, count, channels: 2, height: 1, width: 1, labels };
}
