// What stands before the network in the graph against the engine's own way: every normalization, bytes and real numbers, pictures
// without contrast, and a crop behind it.
import { expect, test } from "vitest";
import { plainImages, storeImages } from "../../../src/batches/store.js";
import { buildOnnx } from "../../../src/export/onnx/build.js";
import { decodeOnnx, encodeOnnx } from "../../../src/export/onnx/file.js";
import { loadGraph } from "../../../src/export/onnx/run-graph.js";
import { type ImageSet, type Normalization, normalizations } from "../../../src/images/image-set.js";
import { normalizeData } from "../../../src/images/normalize.js";
import { fitWhitening } from "../../../src/images/whiten.js";
import { initialize, layer, linear, network } from "../../../src/nn/index.js";
import { Rng } from "../../../src/rng.js";
import { noGrad, scope } from "../../../src/torch/index.js";
import { describeEngine } from "../../support/engine.js";

const [channels, side, classes] = [3, 6, 4];
const size = channels * side * side;
const box = [1, 2, 5, 6] as const;

function set(levels: Uint8Array, real: boolean): ImageSet {
  const count = levels.length / size;
  const pixels = real ? Float32Array.from(levels, (level) => level / 255) : levels;
  return { pixels, count, channels, height: side, width: side, labels: new Int32Array(count) };
}

/** Noise, one that is flat but for a few pixels, and, of bytes, flat ones. */
function pictures(real: boolean): ImageSet {
  const rng = Rng.fromSeed(2);
  const rows = [
    Uint8Array.from({ length: size }, () => rng.integer(256)),
    Uint8Array.from({ length: size }, (_, i) => (i % 20 === 0 ? 101 : 100)),
    ...(real ? [] : [new Uint8Array(size).fill(255), new Uint8Array(size).fill(77)]),
  ];
  return set(Uint8Array.from(rows.flatMap((row) => [...row])), real);
}

const cases = normalizations.flatMap((kind) =>
  [false, true].flatMap((real) =>
    // Photos are cut out of bytes.
    (real || kind.endsWith("zca") ? [false] : [false, true]).map((cropped) => [kind, real, cropped] as const),
  ),
);

describeEngine("preprocessing in the graph", () => {
  test.each<readonly [Normalization, boolean, boolean]>(cases)(
    "%s, real numbers: %s, cropped: %s: the logits of the engine",
    (normalize, real, cropped) => {
      const rng = Rng.fromSeed(1);
      const train = set(
        Uint8Array.from({ length: 200 * size }, () => rng.integer(256)),
        real,
      );
      const given = pictures(real);
      const whitened = normalize === "zca" || normalize === "gcn-zca";
      const { test: ours } = normalizeData(normalize, train, given);
      const inner = cropped ? 4 : side;
      const net = network({
        features: layer((x) => x.flatten(1), "flatten"),
        fc: linear(channels * inner ** 2, classes),
      });
      initialize(net, Rng.fromSeed(3));
      const store = storeImages(ours, cropped ? { evaluation: { box, side: inner, interpolation: "bilinear" } } : {});
      const all = Int32Array.from({ length: given.count }, (_, i) => i);
      const wanted = noGrad(() =>
        scope(() => net.forward(plainImages(store, all), { mode: "eval", rng }).toArray() as Float32Array),
      );
      store.release();
      const affine = ours.scaling.per === "channel" && !whitened;
      const model = buildOnnx(net, {
        channels,
        height: side,
        width: side,
        numClasses: classes,
        metadata: {},
        normalize,
        unit: real ? 1 : 255,
        ...(affine ? { scale: [...ours.scaling.scale], offset: [...ours.scaling.offset] } : {}),
        ...(whitened ? { whitening: fitWhitening(normalize, train) } : {}),
        ...(cropped ? { box } : {}),
      });
      const graph = loadGraph(decodeOnnx(Buffer.concat(encodeOnnx(model, "test")), "test"), "test");
      const got = graph.logits(Float32Array.from(given.pixels), [given.count, channels, side, side]);
      graph.release();
      for (let row = 0; row < given.count; row++) {
        const [a, b] = [got, wanted].map((values) => values.subarray(row * classes, (row + 1) * classes));
        const largest = Math.max(...b!.map(Math.abs));
        a!.forEach((value, k) => {
          expect(Math.abs(value - b![k]!) / largest, `picture ${row}`).toBeLessThan(1e-3);
        });
      }
    },
  );
});
