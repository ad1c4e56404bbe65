/** Views of larger pictures as the loader makes them: what is composed in which order, what roles share, what evaluation sees. */
import { expect, it } from "vitest";
import { encodeCrop, encodeOp, type Instruction } from "../../src/augment/ops.js";
import { drawPhoto, type PhotoDraws, type PhotoPlan, planWeak, type WeakChoice } from "../../src/augment/photo.js";
import { drawProgram, planStrong, type StrongOptions } from "../../src/augment/strong.js";
import type { Views } from "../../src/batch.js";
import { evaluationSet } from "../../src/batches/evaluation-set.js";
import { createLoader } from "../../src/batches/loader.js";
import { inputShape, plainImages, storeImages } from "../../src/batches/store.js";
import type { ImageSet } from "../../src/images/image-set.js";
import { normalizeData } from "../../src/images/normalize.js";
import { Rng } from "../../src/rng.js";
import { augmentImages, IMAGE_OP_ARGUMENTS, scope, setThreads, tensor, threads } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";

const [count, channels, height, width] = [5, 3, 26, 30];
const rng = Rng.fromSeed(5);
/** Smooth enough for a crop to look like its source. */
const pixels = Uint8Array.from({ length: count * channels * height * width }, (_, i) =>
  Math.min(255, ((i * 7) % 200) + rng.integer(50)),
);
const set: ImageSet = { pixels, count, channels, height, width, labels: new Int32Array(count) };
const canvas = { width, height };
const index = Int32Array.from({ length: 16 }, (_, i) => (3 * i) % count);
const none = new Int32Array(0);
const seed = Rng.fromSeed(8);
const step = 11;
const choice: WeakChoice = { name: "imagenet-mt", side: 12, grayProbability: 0.3, blurProbability: 0.5 };

function planOf(given: WeakChoice = choice, of = set): PhotoPlan {
  const plan = planWeak(given, { ...of, bytes: true });
  if (plan.kind !== "photo") throw new Error("no photo");
  return plan;
}
function storeOf(plan = planOf(), of = set, normalize: "channel" | "image" | "none" = "none") {
  return storeImages(normalizeData(normalize, of, of).train, { photo: plan, evaluation: plan.evaluation });
}
function batchOf(
  views: Views,
  {
    strong,
    store = storeOf(),
    flip = true,
    at = step,
  }: { strong?: StrongOptions; store?: ReturnType<typeof storeOf>; flip?: boolean; at?: number } = {},
): Record<string, number[]> {
  const loader = createLoader(store, set.labels, {
    views: { labeled: {}, unlabeled: views },
    translate: 2,
    flip,
    strong,
    rng: seed,
  });
  return scope(() => {
    const { x } = loader.batch({ labeled: none, unlabeled: index }, at).unlabeled;
    for (const t of Object.values(x)) expect([t.dtype, t.isChannelsLast]).toEqual(["float32", true]);
    return Object.fromEntries(Object.entries(x).map(([role, t]) => [role, t.toNumbers()]));
  });
}
const drawsOf = (role: string, plan = planOf(), flips = true) =>
  drawPhoto(plan, seed.split(`unlabeled.${role}`), step, index.length, canvas, flips);

/** One operation at a time, each in a call of its own, from bytes to bytes: the operations are tested against PIL elsewhere. */
function oneByOne(
  image: number,
  list: readonly Instruction[],
  side: number,
  rules: { fill: number; color: number[] },
): number[] {
  const size = channels * height * width;
  let [now, shape]: [Uint8Array, [number, number]] = [pixels.slice(image * size, (image + 1) * size), [height, width]];
  for (const { op, values } of list) {
    const to: [number, number] = op === 14 ? [side, side] : shape;
    const program = {
      ops: Int32Array.of(op),
      values: Float64Array.from({ length: IMAGE_OP_ARGUMENTS }, (_, k) => values[k] ?? 0),
    };
    const out = scope(() =>
      augmentImages(
        tensor(now, [1, channels, ...shape]),
        Int32Array.of(0),
        { before: undefined, program, after: undefined },
        {
          padBefore: "fill",
          padAfter: "fill",
          fill: [0, 0, 0].fill(rules.fill),
          color: rules.color,
          fillIsHole: false,
          hole: 127.5,
        },
        { scale: Float32Array.of(1, 1, 1), offset: Float32Array.of(0, 0, 0), per: "channel" },
        to,
      ).toNumbers(),
    );
    [now, shape] = [Uint8Array.from(out), to];
  }
  return [...now];
}
const slice = <T extends ArrayLike<number>>(values: T, from: number, n: number) =>
  Array.from({ length: n }, (_, i) => values[from + i]!);
const read = ({ ops, values }: { ops: Int32Array; values: Float64Array }, row: number, slots: number): Instruction[] =>
  Array.from({ length: slots }, (_, k) => {
    const at = row * slots + k;
    return { op: ops[at]!, values: slice(values, at * IMAGE_OP_ARGUMENTS, IMAGE_OP_ARGUMENTS) };
  });
function geometry(draws: PhotoDraws, row: number, plan = planOf()): Instruction[] {
  const turn = encodeOp("rotate", draws.degrees[row]!, canvas, "nearest");
  const view = { box: slice(draws.boxes, 4 * row, 4), interpolation: plan.recipe.interpolation };
  return [...(draws.degrees[row] === 0 ? [] : [turn]), encodeCrop(view, draws.flip[row] === 1)];
}
const whole = (draws: PhotoDraws, row: number) => [...geometry(draws, row), ...read(draws.colors, row, 6)];
const bytesOf = (values: readonly number[]) => values.map((v) => Math.round(v * 255));
const slowly = (of: (row: number) => readonly Instruction[], rules = { fill: 0, color: [0, 0, 0] }) =>
  [...index].flatMap((image, row) => oneByOne(image, of(row), 12, rules));

const weak = { augment: "weak" } as const;
const strongView = { augment: "strong" } as const;

describeEngine("views of photos", () => {
  it("a weak view is rotated, cropped and mirrored, jittered, grayed and blurred, in this order", () => {
    const draws = drawsOf("image");
    expect(bytesOf(batchOf({ image: weak }).image!)).toEqual(slowly((row) => whole(draws, row)));
  });

  it("normalizes like every other view, by channel or by image", () => {
    const plain = batchOf({ image: weak }).image!;
    for (const normalize of ["channel", "image"] as const) {
      const { scaling } = normalizeData(normalize, set, set).train;
      const got = batchOf({ image: weak }, { store: storeOf(planOf(), set, normalize) }).image!;
      const area = 144;
      got.forEach((value, at) => {
        const k = normalize === "image" ? index[Math.floor(at / (3 * area))]! : Math.floor(at / area) % 3;
        expect(value).toBeCloseTo(plain[at]! * 255 * scaling.scale[k]! + scaling.offset[k]!, 3);
      });
    }
  });

  it("a strong view has a crop of its own without colors, then the recipe, and no crop after", () => {
    for (const name of ["uda", "fixmatch", "usb"] as const) {
      const plan = planStrong({ name });
      if (plan.kind !== "recipe") throw new Error("no recipe");
      const exclude =
        "posterize,solarize,invert,autocontrast,equalize,brightness,contrast,color,sharpness,rotate,shearX,shearY,translateX";
      const reduced = planStrong({ name, exclude });
      if (reduced.kind !== "recipe") throw new Error("no recipe");
      const draws = drawsOf("strong");
      const operations = drawProgram(reduced, seed.split("unlabeled.strong"), step, index.length, {
        width: 12,
        height: 12,
        photo: true,
      });
      const got = bytesOf(batchOf({ strong: strongView, weak }, { strong: { name, exclude } }).strong!);
      const { color } = plan.recipe;
      const wanted = slowly((row) => [...geometry(draws, row), ...read(operations, row, plan.recipe.count + 1)], {
        fill: 0,
        color: [...color],
      });
      if (name === "usb") expect(got).toEqual(wanted);
      // Holes of the other two are 0 or gray after normalization; all that is no hole agrees.
      else {
        const same = got.filter((value, i) => value === wanted[i]).length;
        const holes = got.filter((value) => value === (name === "uda" ? 0 : 128)).length;
        expect(same + holes).toBeGreaterThanOrEqual(got.length);
        expect(same).toBeGreaterThan(got.length / 20);
      }
    }
  });

  it("gmpl starts from the weak view of the same rows, colors and all", () => {
    const name = "gmpl";
    const exclude =
      "posterize,solarize,invert,equalize,brightness,contrast,color,sharpness,rotate,shearX,shearY,translateX,translateY,cutout";
    const plan = planStrong({ name, exclude });
    if (plan.kind !== "recipe") throw new Error("no recipe");
    const draws = drawsOf("weak");
    const operations = drawProgram(plan, seed.split("unlabeled.strong"), step, index.length, {
      width: 12,
      height: 12,
      photo: true,
    });
    const got = bytesOf(batchOf({ weak, strong: strongView }, { strong: { name, exclude } }).strong!);
    expect(got).toEqual(
      slowly((row) => [...whole(draws, row), ...read(operations, row, 3)], { fill: 128, color: [128, 128, 128] }),
    );
    // Without a weak view it has a crop of its own.
    expect(bytesOf(batchOf({ strong: strongView }, { strong: { name, exclude } }).strong!)).not.toEqual(got);
  });

  it("views without augmentation, evaluation and new pictures are one crop of the middle", () => {
    const store = storeOf();
    const view = encodeCrop(planOf().evaluation, false);
    const wanted = slowly(() => [view]);
    expect(bytesOf(batchOf({ image: { augment: "none" } }).image!)).toEqual(wanted);
    scope(() => {
      expect(bytesOf(plainImages(store, index).toNumbers())).toEqual(wanted);
      const { x } = evaluationSet(store, set.labels, { rows: index, batch: 16 }).batch(0);
      expect(x.shape).toEqual([16, 3, 12, 12]);
    });
    expect(inputShape(store)).toEqual([3, 12, 12]);
    expect(inputShape(storeImages(normalizeData("none", set, set).train))).toEqual([3, height, width]);
  });

  it("a view declared without translation is that crop, mirrored at most", () => {
    const still = { augment: "weak", translate: 0 } as const;
    const { flip } = drawsOf("image");
    const { evaluation } = planOf();
    expect(bytesOf(batchOf({ image: still }).image!)).toEqual(
      slowly((row) => [encodeCrop(evaluation, flip[row] === 1)]),
    );
    const upright = batchOf({ image: { ...still, flip: false } }).image!;
    expect(bytesOf(upright)).toEqual(slowly(() => [encodeCrop(evaluation, false)]));
  });

  it("two roles draw apart, and share the mirror image alone where one asks for it", () => {
    const views = { a: weak, b: { augment: "weak", sameFlipAs: "a" }, c: weak } as const;
    const got = batchOf(views);
    const [a, b] = [drawsOf("a"), drawsOf("b")];
    expect(b.flip).not.toEqual(a.flip);
    expect(bytesOf(got.b!)).toEqual(slowly((row) => whole({ ...b, flip: a.flip }, row)));
    expect(got.c).not.toEqual(got.a);
    expect(batchOf({ a: weak }, { flip: false }).a).toEqual(
      slowly((row) => whole(drawsOf("a", planOf(), false), row)).map((v) => expect.closeTo(v / 255, 5)),
    );
  });

  it("gives the same bits again and for any number of threads, and others at another step", () => {
    const views = { weak, strong: strongView } as const;
    const options = { strong: { name: "kek" } } as const;
    const before = threads();
    try {
      setThreads(1);
      const first = batchOf(views, options);
      expect(batchOf(views, options)).toEqual(first);
      setThreads(3);
      expect(batchOf(views, options)).toEqual(first);
      expect(batchOf(views, { ...options, at: step + 1 }).weak).not.toEqual(first.weak);
      expect(batchOf({ weak }, options).weak).toEqual(first.weak);
    } finally {
      setThreads(before);
    }
  });

  it("works on gray pictures", () => {
    const gray: ImageSet = { ...set, channels: 1, pixels: pixels.slice(0, count * height * width) };
    const store = storeOf(planOf(choice, gray), gray);
    const got = batchOf({ weak, strong: strongView, jitter: weak }, { store, strong: { name: "fixmatch" } });
    for (const values of Object.values(got)) expect(values).toHaveLength(index.length * 144);
  });
});
