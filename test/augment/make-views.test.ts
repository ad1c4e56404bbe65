/** Strong views as the loader makes them: order of crop and operations, independence, exact repetition, refusals. */
import { expect, it } from "vitest";
import { opNames } from "../../src/augment/ops.js";
import { drawProgram, planStrong, type StrongName, type StrongOptions } from "../../src/augment/strong.js";
import { chooseViews, viewOptions } from "../../src/augment/view-options.js";
import { drawWeak } from "../../src/augment/weak.js";
import type { Views } from "../../src/batch.js";
import { createLoader } from "../../src/batches/loader.js";
import { storeImages } from "../../src/batches/store.js";
import { UsageError } from "../../src/errors.js";
import type { ImageSet, Normalization } from "../../src/images/image-set.js";
import { normalizeData } from "../../src/images/normalize.js";
import { parseOptions } from "../../src/options.js";
import { Rng } from "../../src/rng.js";
import { IMAGE_OP_ARGUMENTS, scope, setThreads, threads } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";

const [count, channels, side] = [6, 3, 20];
const rng = Rng.fromSeed(5);
/** Black and white only, so that autocontrast changes nothing. */
const pixels = Uint8Array.from({ length: count * channels * side * side }, () => 255 * rng.integer(2));
const labels = new Int32Array(count);
const set: ImageSet = { pixels, count, channels, height: side, width: side, labels };
const index = Int32Array.from({ length: 24 }, (_, i) => (7 * i + (i >> 3)) % count);
const views = { weak: { augment: "weak" }, strong: { augment: "strong" } } as const;
const seed = Rng.fromSeed(8);
const step = 11;
const crop = { translate: 4, flip: true };

function batchOf(
  strong: StrongOptions | undefined,
  declared: Views = views,
  { normalize = "none" as Normalization, from = set, at = step, pad = "reflect" as "reflect" | "gray" } = {},
): Record<string, number[]> {
  const store = storeImages(normalizeData(normalize, from, from).train);
  const loader = createLoader(store, labels, {
    views: { labeled: {}, unlabeled: declared },
    ...crop,
    pad,
    strong,
    rng: seed,
  });
  return scope(() => {
    const { x } = loader.batch({ labeled: new Int32Array(0), unlabeled: index }, at).unlabeled;
    return Object.fromEntries(Object.entries(x).map(([role, t]) => [role, t.toNumbers()]));
  });
}

type Picture = number[][][];
const mirror = (i: number) => (i < 0 ? -i : i >= side ? 2 * (side - 1) - i : i);

/** Translate, then mirror; outside is the mirror image or `pad`. */
function cropped(picture: Picture, dy: number, dx: number, flip: number, pad: "reflect" | number): Picture {
  return picture.map((plane) =>
    plane.map((_, y) =>
      plane.map((_, x) => {
        const [sy, sx] = [y + dy, (flip ? side - 1 - x : x) + dx];
        const inside = sy >= 0 && sx >= 0 && sy < side && sx < side;
        return inside || pad === "reflect" ? plane[mirror(sy)]![mirror(sx)]! : pad;
      }),
    ),
  );
}

function cut(picture: Picture, [x0, y0, x1, y1]: readonly number[], value: readonly number[]): Picture {
  const inside = (y: number, x: number) => y >= y0! && y < y1! && x >= x0! && x < x1!;
  return picture.map((plane, c) => plane.map((row, y) => row.map((v, x) => (inside(y, x) ? value[c]! : v))));
}

it("pad gray is refused where it would do nothing, or pixels are no bytes", () => {
  const images = { width: side, height: side, channels, bytes: true };
  const chosen = (given: Record<string, unknown>, of = images) =>
    chooseViews(parseOptions(viewOptions, { pad: "gray", ...given }, "test"), { translate: 2, flip: false }, of);
  expect(chosen({}).pad).toBe("gray");
  expect(() => chosen({ translate: 0 })).toThrow(/pad gray has no effect in this run: nothing is translated/);
  expect(() => chosen({ weak: "photo" })).toThrow(
    /pad gray has no effect in this run: weak view "photo" has random crops/,
  );
  expect(() => chosen({}, { ...images, bytes: false })).toThrow(UsageError);
  expect(() => chosen({}, { ...images, channels: 2 })).toThrow(/1 or 3 channels, got 2/);
});

describeEngine("strong views", () => {
  const gray = [128, 128, 128];
  const orders: Record<string, (p: Picture, box: number[], own: Crop, weak: Crop) => Picture> = {
    // 4.4: UDA cuts the raw image, FixMatch and USB the cropped one, Google's starts from the weak view and crops again.
    uda: (p, box, own) => cropped(cut(p, box, [0, 0, 0]), ...own, "reflect"),
    fixmatch: (p, box, own) => cut(cropped(p, ...own, "reflect"), box, [127.5, 127.5, 127.5]),
    gmpl: (p, box, own, weak) => cropped(cut(cropped(p, ...weak, "reflect"), box, gray), ...own, 128),
    kek: (p, box, own) => cut(cropped(p, ...own, 128), box, gray),
    usb: (p, box, own) => cut(cropped(p, ...own, "reflect"), box, [125, 123, 114]),
  };
  type Crop = [number, number, number];

  const keep = (op: string) => opNames.filter((name) => name !== op).join(",");
  /** The strong view in slow loops; operations must leave such pictures as they are. `weak`: the crops before. */
  function slowly(
    name: StrongName,
    exclude: string,
    weak: ReturnType<typeof drawWeak>,
    inOrder = orders[name]!,
  ): number[] {
    const plan = planStrong({ name, exclude });
    if (plan.kind !== "recipe") throw new Error("no recipe");
    const stream = seed.split("unlabeled.strong");
    const own = drawWeak(stream, step, index.length, crop);
    const { values } = drawProgram(plan, stream, step, index.length, { width: side, height: side });
    const slots = plan.recipe.count + 1;
    return [...index].flatMap((image, row) => {
      const at = (c: number, y: number, x: number) => pixels[((image * channels + c) * side + y) * side + x]!;
      const line = Array.from({ length: side }, (_, i) => i);
      const picture = [0, 1, 2].map((c) => line.map((y) => line.map((x) => at(c, y, x))));
      const last = (row * slots + slots - 1) * IMAGE_OP_ARGUMENTS;
      const [a, b] = [own, weak].map(({ dy, dx, flip }): Crop => [dy[row]!, dx[row]!, flip[row]!]);
      return inOrder(picture, [...values.slice(last, last + 4)], a!, b!).flat(2);
    });
  }
  const toPixels = (values: readonly number[]) => values.map((v) => Math.round(v * 2550) / 10);
  const weakDraws = drawWeak(seed.split("unlabeled.weak"), step, index.length, crop);

  it.each(Object.keys(orders) as StrongName[])("%s: crops, cuts out and pads in the published order", (name) => {
    const exclude = keep(name === "fixmatch" || name === "usb" ? "identity" : "autocontrast");
    expect(toPixels(batchOf({ name, exclude }).strong!)).toEqual(slowly(name, exclude, weakDraws));
  });

  it("pad gray: weak views, and the one that gmpl starts from, have gray 128 where they leave the picture", () => {
    const exclude = keep("autocontrast");
    const got = batchOf({ name: "gmpl", exclude }, views, { pad: "gray" });
    const weakly = slowly("gmpl", exclude, weakDraws, (p, _, __, weak) => cropped(p, ...weak, 128));
    expect(toPixels(got.weak!)).toEqual(weakly);
    const strongly = slowly("gmpl", exclude, weakDraws, (p, box, own, weak) =>
      cropped(cut(cropped(p, ...weak, 128), box, gray), ...own, 128),
    );
    expect(toPixels(got.strong!)).toEqual(strongly);
    expect(strongly).not.toEqual(slowly("gmpl", exclude, weakDraws));
    // A view that is not translated has no border.
    const still = { still: { augment: "weak", translate: 0 } } as const;
    expect(batchOf(undefined, still, { pad: "gray" })).toEqual(batchOf(undefined, still));
  });

  it("gmpl: starts from a weak crop also where the method declares no weak view", () => {
    const exclude = keep("autocontrast");
    const alone = toPixels(batchOf({ name: "gmpl", exclude }, { strong: views.strong }).strong!);
    const still = drawWeak(seed, step, index.length, { translate: 0, flip: false });
    expect(alone).not.toEqual(slowly("gmpl", exclude, still));
    expect(alone).not.toEqual(
      slowly("gmpl", exclude, drawWeak(seed.split("unlabeled.strong"), step, index.length, crop)),
    );
  });

  it.each([
    ["weak", "strong"],
    ["strong", "weak"],
    ["strong", "strong"],
  ] as const)("gmpl: views that share a flip are mirrored alike, %s then %s", (first, second) => {
    const still = { translate: 0 } as const;
    const declared = { a: { augment: first, ...still }, b: { augment: second, ...still, sameFlipAs: "a" } } as const;
    const got = batchOf({ name: "gmpl", exclude: keep("autocontrast") }, declared);
    /** Whether a row is the mirror image of its picture: then most pixels outside the hole are the mirror image's. */
    const mirrored = (view: readonly number[]) =>
      [...index].map((image, row) => {
        const size = channels * side * side;
        const same = (flip: boolean) =>
          view.slice(row * size, (row + 1) * size).filter((v, i) => {
            const at = flip ? i - (i % side) + side - 1 - (i % side) : i;
            return Math.round(v) === pixels[image * size + at];
          }).length;
        return same(true) > same(false);
      });
    const flips = mirrored(got.a!);
    expect(new Set(flips).size).toBe(2);
    expect(mirrored(got.b!)).toEqual(flips);
  });

  it("holes are 0 after normalization (uda) or mid-gray (fixmatch)", () => {
    const { scaling } = normalizeData("channel", set, set).train;
    const [scale, offset] = [scaling.scale[0]!, scaling.offset[0]!];
    const levels = (name: StrongName, kept: string) => {
      const { strong } = batchOf({ name, exclude: keep(kept) }, views, { normalize: "channel" });
      const red = strong!.slice(0, side * side).map((v) => Number(v.toFixed(4)));
      return [...new Set(red)].sort((a, b) => a - b);
    };
    const near = (v: number) => Number(v.toFixed(4));
    const [black, white] = [near(offset), near(255 * scale + offset)];
    expect(levels("uda", "autocontrast")).toEqual([black, 0, white]);
    expect(levels("fixmatch", "identity")).toEqual([black, near(127.5 * scale + offset), white]);
  });

  it("leave the weak view of the same rows as it is without them", () => {
    const alone = batchOf(undefined, { weak: views.weak }).weak;
    for (const name of ["fixmatch", "gmpl", "jitter", "weak"] as const) expect(batchOf({ name }).weak).toEqual(alone);
  });

  it("gives the same bits again, and others at another step, for another role and another seed", () => {
    for (const name of ["uda", "fixmatch", "gmpl", "kek", "usb", "jitter"] as const) {
      const options = { name, noise: 0.3 };
      const two = { ...views, other: { augment: "strong" } } as const;
      const first = batchOf(options, two);
      expect(batchOf(options, two)).toEqual(first);
      expect(first.other).not.toEqual(first.strong);
      expect(batchOf(options, two, { at: step + 1 }).strong).not.toEqual(first.strong);
    }
  });

  it("gives the same bits for any number of threads", () => {
    const before = threads();
    try {
      setThreads(1);
      const one = (["gmpl", "kek", "jitter"] as const).map((name) => batchOf({ name, noise: 1 }));
      setThreads(3);
      const three = (["gmpl", "kek", "jitter"] as const).map((name) => batchOf({ name, noise: 1 }));
      expect(three).toEqual(one);
    } finally {
      setThreads(before);
    }
  });

  it("jitter is the weak crop plus noise of the standard deviation asked for; without options strong is weak", () => {
    const plain = batchOf(undefined).strong!;
    const noisy = batchOf({ name: "jitter", noise: 0.25 }).strong!;
    const noise = noisy.map((v, i) => v - plain[i]!);
    const mean = noise.reduce((a, b) => a + b) / noise.length;
    const variance = noise.reduce((a, b) => a + (b - mean) ** 2, 0) / noise.length;
    expect(mean).toBeCloseTo(0, 1);
    expect(Math.sqrt(variance)).toBeGreaterThan(0.24);
    expect(Math.sqrt(variance)).toBeLessThan(0.26);
    const still = { strong: { augment: "strong", translate: 0, flip: false } } as const;
    const at = (when: number) => batchOf({ name: "jitter", noise: 0.25 }, still, { at: when }).strong;
    expect(at(step + 1)).not.toEqual(at(step)); // by the noise alone
    expect(batchOf({ name: "jitter", noise: 0 }).strong).toEqual(plain);
    expect(batchOf({ name: "weak" }).strong).toEqual(plain);
  });

  it("works on gray pictures", () => {
    const one: ImageSet = { ...set, pixels: pixels.slice(0, count * side * side), channels: 1 };
    for (const name of ["uda", "fixmatch", "gmpl", "kek", "usb"] as const) {
      const { strong, weak } = batchOf({ name }, views, { from: one });
      expect(strong).toHaveLength(index.length * side * side);
      expect(strong).not.toEqual(weak);
    }
  });

  it("refuses whitened pixels and other channels, and says which --normalize to use", () => {
    const floats: ImageSet = { ...set, pixels: Float32Array.from(pixels) };
    const two: ImageSet = { ...set, pixels: pixels.slice(0, count * 2 * side * side), channels: 2 };
    expect(() => batchOf({ name: "fixmatch" }, views, { from: floats })).toThrow(UsageError);
    expect(() => batchOf({ name: "fixmatch" }, views, { from: floats })).toThrow(/--normalize channel, image or none/);
    expect(() => batchOf({ name: "fixmatch" }, views, { from: two })).toThrow(/1 or 3 channels, got 2/);
    expect(() => batchOf({ name: "fixmatch" }, { weak: views.weak }, { from: floats })).not.toThrow();
    expect(() => batchOf({ name: "jitter", noise: 1 }, views, { from: floats })).not.toThrow();
  });
});
