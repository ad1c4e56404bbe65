/** Crop with resampling, hue and blur against stored results of PIL and torchvision. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { encodeBlur, encodeCrop, encodeHue, type Instruction } from "../../src/augment/ops.js";
import { EngineError } from "../../src/errors.js";
import { augmentImages, IMAGE_OP_ARGUMENTS, imageOps, scope, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";

type Case = { readonly input: string; readonly output: string } & (
  | { op: "crop"; box: number[]; side: number; interpolation: "bilinear" | "bicubic"; flip: boolean }
  | { op: "hue"; share: number }
  | { op: "blur"; sigma: number }
);
const read = (name: string) => JSON.parse(readFileSync(new URL(`../reference/${name}`, import.meta.url), "utf8"));
const inputs: Record<string, { shape: [number, number, number]; pixels: string }> = read("image-ops.json").inputs;
const cases: readonly Case[] = read("photo-ops.json").cases;
const of = <K extends Case["op"]>(op: K) => cases.filter((one): one is Extract<Case, { op: K }> => one.op === op);
const bytes = (text: string) => Uint8Array.from(Buffer.from(text, "base64"));

function run(
  pixels: Uint8Array,
  shape: readonly [number, number, number],
  list: readonly Instruction[],
  size?: readonly [number, number],
): number[] {
  const values = new Float64Array(list.length * IMAGE_OP_ARGUMENTS);
  list.forEach((one, k) => {
    values.set(one.values, k * IMAGE_OP_ARGUMENTS);
  });
  const program = { ops: Int32Array.from(list, ({ op }) => op), values };
  const [channels] = shape;
  const all = (value: number) => new Array<number>(channels).fill(value);
  const rules = {
    padBefore: "fill",
    padAfter: "fill",
    fill: all(9),
    color: all(128),
    fillIsHole: true,
    hole: 77,
  } as const;
  const scaling = { scale: Float32Array.from(all(1)), offset: Float32Array.from(all(0)), per: "channel" } as const;
  const draws = { before: undefined, program, after: undefined };
  return scope(() =>
    augmentImages(tensor(pixels, [1, ...shape]), Int32Array.of(0), draws, rules, scaling, size).toNumbers(),
  );
}

describeEngine("operations for photos", () => {
  test("a resized crop is PIL's crop and resize to the byte, and the mirrored one its mirror image", () => {
    expect(of("crop").length).toBeGreaterThan(20);
    for (const { input, output, box, side, interpolation, flip } of of("crop")) {
      const { shape, pixels } = inputs[input]!;
      const got = run(bytes(pixels), shape, [encodeCrop({ box, interpolation }, flip)], [side, side]);
      expect(got, `${input} ${box} to ${side}, ${interpolation}, ${flip}`).toEqual([...bytes(output)]);
    }
  });

  test("hue is torchvision's on PIL pictures, to the byte", () => {
    expect(of("hue").length).toBeGreaterThan(40);
    for (const { input, output, share } of of("hue")) {
      const { shape, pixels } = inputs[input]!;
      expect(run(bytes(pixels), shape, [encodeHue(share)]), `${input} ${share}`).toEqual([...bytes(output)]);
    }
  });

  test("blur is torchvision's Gaussian up to the rounding of ties", () => {
    for (const { input, output, sigma } of of("blur")) {
      const { shape, pixels } = inputs[input]!;
      const got = run(bytes(pixels), shape, [encodeBlur(sigma)]);
      const far = got.filter((value, i) => value !== bytes(output)[i]!).length;
      expect(far, `${input} ${sigma}`).toBeLessThanOrEqual(1);
      got.forEach((value, i) => {
        expect(Math.abs(value - bytes(output)[i]!)).toBeLessThanOrEqual(1);
      });
    }
  });

  test("blur of a point is the Gaussian, reflected at the border, and deviation 0 changes nothing", () => {
    const line = Uint8Array.of(0, 255, 0, 0, 0, 0, 0);
    const sigma = 0.8;
    const weight = (k: number) => Math.exp(-0.5 * (k / sigma) ** 2);
    const total = [-3, -2, -1, 0, 1, 2, 3].reduce((sum, k) => sum + weight(k), 0);
    const wanted = [2 * weight(1), weight(0) + weight(2), weight(1) + weight(3), weight(2), weight(3), 0, 0];
    const got = run(line, [1, 1, 7], [encodeBlur(sigma)]);
    expect(got).toEqual(wanted.map((w) => Math.round((255 * w) / total)));
    expect(run(line, [1, 1, 7], [encodeBlur(0)])).toEqual([...line]);
  });

  test("operations go on after a crop, on the new size; holes before it become picture", () => {
    const line = Uint8Array.of(10, 20, 30, 40);
    const crop = encodeCrop({ box: [1, 0, 3, 1], interpolation: "bilinear" }, false);
    const invert = { op: imageOps.invert, values: [] };
    expect(run(line, [1, 1, 4], [crop, invert], [1, 2])).toEqual([235, 225]);
    const hole = { op: imageOps.hole, values: [1, 0, 2, 1] };
    expect(run(line, [1, 1, 4], [hole, crop], [1, 2])).toEqual([20, 30]);
    expect(run(line, [1, 1, 4], [crop, hole], [1, 2])).toEqual([20, 77]);
    // A picture that grows needs room that its own size does not give.
    expect(run(line, [1, 1, 4], [crop, invert], [9, 9])).toHaveLength(81);
  });

  test("a box outside the picture, or no crop where sizes differ, is an EngineError", () => {
    const line = Uint8Array.of(10, 20, 30, 40);
    const crop = (...box: number[]) => encodeCrop({ box, interpolation: "bilinear" }, false);
    for (const bad of [crop(0, 0, 5, 1), crop(-1, 0, 2, 1), crop(2, 0, 2, 1), crop(Number.NaN, 0, 2, 1)]) {
      expect(() => run(line, [1, 1, 4], [bad], [1, 2])).toThrow(EngineError);
    }
    expect(() => run(line, [1, 1, 4], [crop(0, 0, 2, 1), crop(0, 0, 4, 1)], [1, 2])).toThrow(/picture of 2x1/);
    expect(() => run(line, [1, 1, 4], [{ op: imageOps.invert, values: [] }], [1, 2])).toThrow(/resized crop/);
    expect(() => run(line, [1, 1, 4], [encodeBlur(-1)])).toThrow(EngineError);
  });
});
