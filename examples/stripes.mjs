/**
 * A data set outside the package: pictures of stripes, drawn when the run starts; the class is their direction.
 *
 *   fewlabels train --dataset ./examples/stripes.mjs --dataset.noise 0.3 --labels 12 --model convnet-tiny
 *
 * One that reads files sets `needsDir: true`, finds them in `dir` (`--data DIR`) and throws DataError where they are damaged.
 */
import { defineDataSet, option } from "fewlabels";

const side = 12;
const classes = ["horizontal", "vertical", "diagonal"];

export const dataSet = defineDataSet({
  name: "stripes",
  summary: "gray pictures of stripes, 12x12, in three directions; needs no files",
  source: "drawn by examples/stripes.mjs",
  needsDir: false,
  options: {
    train: option.integer(600, { min: 3, doc: "training pictures" }),
    test: option.integer(300, { min: 3, doc: "test pictures" }),
    noise: option.number(0.2, { min: 0, max: 1, doc: "largest change of a pixel, as a share of black to white" }),
  },
  async load({ rng, options }) {
    return {
      name: "stripes",
      classes,
      train: draw(rng.split("train"), options.train, options.noise),
      test: draw(rng.split("test"), options.test, options.noise),
      flip: false, // a mirrored diagonal is no longer the same one
      translate: 1,
      normalize: "channel",
    };
  },
});

/** @param {import("fewlabels").Rng} rng @param {number} count @param {number} noise */
function draw(rng, count, noise) {
  const pixels = new Uint8Array(count * side * side); // [count, 1, side, side]
  const labels = Int32Array.from({ length: count }, (_, i) => i % classes.length);
  for (let i = 0; i < count; i++) {
    const [shift, width] = [Math.floor(6 * rng.float()), 2 + Math.floor(2 * rng.float())];
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const along = [y, x, x + y][i % classes.length];
        const bright = Math.floor((along + shift) / width) % 2;
        const value = 64 + 128 * bright + 255 * noise * (2 * rng.float() - 1);
        pixels[(i * side + y) * side + x] = Math.min(255, Math.max(0, Math.round(value)));
      }
    }
  }
  return { pixels, count, channels: 1, height: side, width: side, labels };
}
