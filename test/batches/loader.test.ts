import { expect, it } from "vitest";
import { drawWeak } from "../../src/augment/weak.js";
import { evaluationSet } from "../../src/batches/evaluation-set.js";
import { createLoader } from "../../src/batches/loader.js";
import { storeImages } from "../../src/batches/store.js";
import { UsageError } from "../../src/errors.js";
import type { ImageSet } from "../../src/images/image-set.js";
import { normalizeData } from "../../src/images/normalize.js";
import type { Views } from "../../src/methods/method.js";
import { Rng } from "../../src/rng.js";
import { liveTensors, scope } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";

const [count, channels, height, width] = [12, 3, 6, 5];
const rng = Rng.fromSeed(9);
const pixels = Uint8Array.from({ length: count * channels * height * width }, () => rng.integer(256));
const labels = Int32Array.from({ length: count }, (_, i) => i % 4);
const set: ImageSet = { pixels, count, channels, height, width, labels };
const y = labels.map((label, i) => (i < 6 ? label : -1));
const weak = { augment: "weak" } as const;
const rows = { labeled: Int32Array.of(5, 0), unlabeled: Int32Array.of(11, 3, 3, 7) };

/** Mirrors a position at the ends without repeating the end. */
const reflect = (i: number, n: number) => (i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i);

describeEngine("the loader", () => {
  for (const kind of ["channel", "image", "none"] as const) {
    const normalized = normalizeData(kind, set, set).train;
    const { scaling } = normalized;
    const store = storeImages(normalized);

    it(`gathers, translates, mirrors and normalizes as a slow loop does (${kind})`, () => {
      const views = { labeled: { image: weak }, unlabeled: { image: weak, other: weak } };
      const seed = Rng.fromSeed(4);
      const loader = createLoader(store, y, { views, translate: 2, flip: true, rng: seed });
      for (let step = 0; step < 5; step++) {
        scope(() => {
          const batch = loader.batch(rows, step);
          for (const part of ["labeled", "unlabeled"] as const) {
            const index = rows[part];
            for (const [role, x] of Object.entries(batch[part].x)) {
              const { dy, dx, flip } = drawWeak(seed.split(`${part}.${role}`), step, index.length, {
                translate: 2,
                flip: true,
              });
              expect(x.shape).toEqual([index.length, channels, height, width]);
              expect([x.dtype, x.isChannelsLast]).toEqual(["float32", true]);
              const got = x.toNumbers();
              let at = 0;
              index.forEach((i, b) => {
                for (let c = 0; c < channels; c++) {
                  for (let row = 0; row < height; row++) {
                    for (let column = 0; column < width; column++) {
                      const from = flip[b] ? width - 1 - column : column;
                      const [r, q] = [reflect(row + dy[b]!, height), reflect(from + dx[b]!, width)];
                      const pixel = pixels[((i * channels + c) * height + r) * width + q]!;
                      const k = scaling.per === "image" ? i : c;
                      expect(got[at++]).toBeCloseTo(pixel * scaling.scale[k]! + scaling.offset[k]!, 4);
                    }
                  }
                }
              });
            }
          }
          expect(batch.labeled.index.toNumbers()).toEqual([5, 0]);
          expect(batch.labeled.y.toNumbers()).toEqual([1, 0]);
          expect([batch.labeled.y.dtype, batch.unlabeled.index.dtype]).toEqual(["int64", "int64"]);
        });
      }
    });
  }

  const store = storeImages(normalizeData("channel", set, set).train);
  const loaderFor = (labeled: Views, options = {}) =>
    createLoader(store, y, {
      views: { labeled, unlabeled: {} },
      translate: 2,
      flip: true,
      rng: Rng.fromSeed(1),
      ...options,
    });
  const many = { labeled: Int32Array.from({ length: 60 }, (_, i) => i % 6), unlabeled: new Int32Array(0) };

  it("gives the same bits for the same step, whatever came before", () => {
    const [a, b] = [loaderFor({ image: weak }), loaderFor({ image: weak })];
    scope(() => {
      b.batch(many, 1);
      const of = (loader: typeof a, step: number) => loader.batch(many, step).labeled.x.image!.toNumbers();
      expect(of(b, 7)).toEqual(of(a, 7));
      expect(of(a, 8)).not.toEqual(of(a, 7));
    });
  });

  it("draws each role on its own, but shares the flip where asked to", () => {
    const still = { augment: "weak", translate: 0 } as const;
    scope(() => {
      const x = loaderFor({ a: still, b: still, c: { ...still, sameFlipAs: "a" } }).batch(many, 3).labeled.x;
      expect(x.b!.toNumbers()).not.toEqual(x.a!.toNumbers());
      expect(x.c!.toNumbers()).toEqual(x.a!.toNumbers());
      const moved = loaderFor({ a: weak, c: { ...weak, sameFlipAs: "a" } }).batch(many, 3).labeled.x;
      expect(moved.c!.toNumbers()).not.toEqual(moved.a!.toNumbers());
    });
  });

  it("leaves a view alone that is not augmented or has all switched off", () => {
    scope(() => {
      const off = { augment: "weak", translate: 0, flip: false } as const;
      const x = loaderFor({ a: { augment: "none" }, b: off }).batch(many, 3).labeled.x;
      const plain = evaluationSet(store, labels, { rows: many.labeled }).batch(0).x.toNumbers();
      expect(x.a!.toNumbers()).toEqual(plain);
      expect(x.b!.toNumbers()).toEqual(plain);
      const noFlips = loaderFor({ a: { augment: "weak", translate: 0 } }, { flip: false }).batch(many, 3).labeled.x;
      expect(noFlips.a!.toNumbers()).toEqual(plain);
    });
  });

  it("makes tensors without rows where a part is empty", () => {
    scope(() => {
      const views = { labeled: { image: weak }, unlabeled: { image: weak } };
      const loader = createLoader(store, y, { views, translate: 2, flip: true, rng: Rng.fromSeed(1) });
      const none = new Int32Array(0);
      const batch = loader.batch({ labeled: none, unlabeled: none }, 0);
      expect(batch.labeled.x.image.shape).toEqual([0, channels, height, width]);
      expect([batch.labeled.y.shape, batch.labeled.y.dtype]).toEqual([[0], "int64"]);
    });
  });

  it("leaves no tensor behind", () => {
    const loader = loaderFor({ a: weak });
    const before = liveTensors();
    for (let step = 0; step < 20; step++) scope(() => void loader.batch(many, step));
    expect(liveTensors()).toBe(before);
  });

  it("lets a view have a translation of its own", () => {
    scope(() => {
      const x = loaderFor({ a: weak, b: { ...weak, translate: 2 } }, { translate: 0, flip: false }).batch(many, 3)
        .labeled.x;
      const plain = evaluationSet(store, labels, { rows: many.labeled }).batch(0).x.toNumbers();
      expect(x.a!.toNumbers()).toEqual(plain);
      expect(x.b!.toNumbers()).not.toEqual(plain);
    });
  });

  it("refuses translations that cannot be reflected and flips shared with nobody", () => {
    expect(() => loaderFor({ a: weak }, { translate: 5 })).toThrow(/0\.\.4/);
    expect(() => loaderFor({ a: { ...weak, translate: -1 } })).toThrow(UsageError);
    expect(() => loaderFor({ a: weak, b: { ...weak, sameFlipAs: "aa" } })).toThrow(UsageError);
    const chain = { a: weak, b: { ...weak, sameFlipAs: "a" }, c: { ...weak, sameFlipAs: "b" } };
    expect(() => loaderFor(chain)).toThrow(/itself shares/);
  });

  it("judges every image once, in order, without augmentation", () => {
    const evaluation = evaluationSet(store, labels, { batch: 5 });
    expect([evaluation.size, evaluation.batches]).toEqual([12, 3]);
    const seen = [0, 1, 2].flatMap((k) =>
      scope(() => {
        const { x, y: truth, index } = evaluation.batch(k);
        expect([x.size(0), truth.length]).toEqual([index.length, index.length]);
        expect(truth.every((label, i) => label === labels[index[i]!])).toBe(true);
        return [...index];
      }),
    );
    expect(seen).toEqual(Array.from({ length: 12 }, (_, i) => i));
  });
});
