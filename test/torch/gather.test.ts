import { expect, test } from "vitest";
import { EngineError } from "../../src/errors.js";
import { Rng } from "../../src/rng.js";
import { gatherImages, type Scaling, scope, tensor, type ViewDraws } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import "../support/matchers.js";

interface Images {
  readonly pixels: Uint8Array | Float32Array;
  readonly shape: readonly [number, number, number, number];
}

/** Walks from 0 by `offset` steps over n pixels, turning round at the ends without staying on them. */
function bounce(offset: number, n: number): number {
  if (n === 1) return 0;
  let [at, direction] = [0, Math.sign(offset)];
  for (let steps = Math.abs(offset); steps > 0; steps--) {
    if (at + direction < 0 || at + direction >= n) direction = -direction;
    at += direction;
  }
  return at;
}

/** From the doc comments: translate, then mirror, then scale. */
function slowGather(
  { pixels, shape }: Images,
  index: Int32Array,
  view: ViewDraws | undefined,
  scaling: Scaling,
): number[] {
  const [, channels, height, width] = shape;
  const out: number[] = [];
  index.forEach((image, row) => {
    const [dy, dx, flip] = view ? [view.dy[row]!, view.dx[row]!, view.flip[row]!] : [0, 0, 0];
    for (let c = 0; c < channels; c++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const from = flip ? width - 1 - x : x;
          const [sy, sx] = [bounce(y + dy, height), bounce(from + dx, width)];
          const pixel = pixels[((image * channels + c) * height + sy) * width + sx]!;
          const which = scaling.per === "image" ? image : c;
          out.push(Math.fround(pixel) * scaling.scale[which]! + scaling.offset[which]!);
        }
      }
    }
  });
  return out;
}

function randomImages(rng: Rng, kind: "uint8" | "float32", shape: Images["shape"]): Images {
  const count = shape.reduce((a, b) => a * b, 1);
  const pixels =
    kind === "uint8"
      ? Uint8Array.from({ length: count }, () => rng.integer(256))
      : Float32Array.from({ length: count }, () => rng.normal());
  return { pixels, shape };
}

function randomScaling(rng: Rng, per: Scaling["per"], [n, channels]: Images["shape"]): Scaling {
  const draw = () => Float32Array.from({ length: per === "image" ? n : channels }, () => rng.normal());
  return { scale: draw(), offset: draw(), per };
}

function randomView(rng: Rng, rows: number, reach: number): ViewDraws {
  const draw = () => Int32Array.from({ length: rows }, () => rng.integer(2 * reach + 1) - reach);
  return { dy: draw(), dx: draw(), flip: Uint8Array.from({ length: rows }, () => rng.integer(2)) };
}

describeEngine("gatherImages", () => {
  for (const kind of ["uint8", "float32"] as const) {
    for (const per of ["channel", "image"] as const) {
      test(`agrees with a slow loop: ${kind}, scaled per ${per}, many shapes and draws`, () => {
        const rng = Rng.fromSeed(3).split(kind + per);
        const shapes: Images["shape"][] = [
          [5, 3, 6, 4],
          [4, 1, 7, 7],
          [3, 2, 1, 5],
          [2, 2, 1, 1],
        ];
        for (const shape of shapes) {
          const images = randomImages(rng, kind, shape);
          const scaling = randomScaling(rng, per, shape);
          const index = Int32Array.from({ length: 40 }, () => rng.integer(shape[0]));
          for (const view of [undefined, randomView(rng, 40, 2), randomView(rng, 40, 15)]) {
            scope(() => {
              const got = gatherImages(tensor(images.pixels, shape), index, view, scaling);
              expect([got.dtype, got.shape, got.isChannelsLast]).toEqual(["float32", [40, ...shape.slice(1)], true]);
              expect(got.toNumbers()).toBeCloseToTensor(slowGather(images, index, view, scaling), {
                rtol: 1e-6,
                atol: 1e-4,
              });
            });
          }
        }
      });
    }
  }

  const plain: Scaling = { scale: Float32Array.of(1), offset: Float32Array.of(0), per: "channel" };
  const line = (values: readonly number[]) => tensor(Uint8Array.from(values), [1, 1, 1, values.length]);
  const draw = (dx: number, flip: number): ViewDraws => ({
    dy: Int32Array.of(0),
    dx: Int32Array.of(dx),
    flip: Uint8Array.of(flip),
  });

  test("reflects without repeating the edge, and mirrors after the translation", () => {
    scope(() => {
      const images = line([1, 2, 3, 4]);
      const row = (view: ViewDraws) => gatherImages(images, Int32Array.of(0), view, plain).toNumbers();
      expect(row(draw(1, 0))).toEqual([2, 3, 4, 3]);
      expect(row(draw(-2, 0))).toEqual([3, 2, 1, 2]);
      expect(row(draw(0, 1))).toEqual([4, 3, 2, 1]);
      expect(row(draw(1, 1))).toEqual([3, 4, 3, 2]);
    });
  });

  test("no rows give an empty batch of the right shape", () => {
    scope(() => {
      const got = gatherImages(line([1, 2, 3]), new Int32Array(0), undefined, plain);
      expect(got.shape).toEqual([0, 1, 1, 3]);
    });
  });

  test("an index outside the images, or draws for other rows, is an EngineError", () => {
    scope(() => {
      for (const wrong of [-1, 1, 2 ** 30]) {
        const gather = () => gatherImages(line([1, 2]), Int32Array.of(wrong), undefined, plain);
        expect(gather).toThrow(EngineError);
        expect(gather).toThrow(new RegExp(`index ${wrong} is outside 0..0`));
      }
      const thousand = () => gatherImages(line([1, 2]), new Int32Array(1000).fill(1), undefined, plain);
      expect(thousand).toThrow(/Int32Array\(1000\).*index 1 is outside 0..0/);
      expect(thousand).not.toThrow(/.{300}/);
      expect(() => gatherImages(line([1, 2]), Int32Array.of(0, 0), draw(0, 0), plain)).toThrow(/one draw per row/);
      const twice = { ...plain, scale: Float32Array.of(1, 2) };
      expect(() => gatherImages(line([1, 2]), Int32Array.of(0), undefined, twice)).toThrow(/scales and offsets/);
      expect(() => gatherImages(tensor([1, 2], [1, 2]), Int32Array.of(0), undefined, plain)).toThrow(/N, C, H, W/);
    });
  });
});
