import { expect, test } from "vitest";
import { dropConnect, type Pass } from "../../../src/nn/index.js";
import { Rng } from "../../../src/rng.js";
import { normal, scope } from "../../../src/torch/index.js";
import { describeEngine } from "../../support/engine.js";

const pass = (more: Partial<Pass>): Pass => ({ mode: "train", rng: Rng.fromSeed(5), ...more });

describeEngine("dropConnect", () => {
  const rows = 2000;
  const x = normal([rows, 2, 1, 3], 0, 1, Rng.fromSeed(1)).keep();

  test("each row is 0 as a whole or divided by 1 - p, about a share p of them 0", () => {
    const p = 0.3;
    const y = scope(() => dropConnect(p).forward(x, pass({})).toNumbers());
    const values = x.toNumbers();
    let dropped = 0;
    for (let row = 0; row < rows; row++) {
      const [got, had] = [y, values].map((v) => v.slice(6 * row, 6 * row + 6));
      if (got!.every((v) => v === 0)) dropped++;
      else for (const [i, v] of got!.entries()) expect(v).toBeCloseTo(had![i]! / (1 - p), 4);
    }
    // Five standard deviations of a binomial count.
    expect(Math.abs(dropped - p * rows)).toBeLessThan(5 * Math.sqrt(rows * p * (1 - p)));
  });

  test("acts in train and init alone; a pass with dropout 0 switches it off, another value does not replace p", () => {
    const layer = dropConnect(0.5);
    for (const same of [{ mode: "eval" }, { mode: "probe" }, { dropout: 0 }] as const) {
      expect(layer.forward(x, pass(same))).toBe(x);
    }
    scope(() => {
      const plain = layer.forward(x, pass({})).toNumbers();
      expect(layer.forward(x, pass({ mode: "init" })).toNumbers()).toEqual(plain);
      expect(layer.forward(x, pass({ dropout: 0.9 })).toNumbers()).toEqual(plain);
      expect(layer.forward(x, pass({ rng: Rng.fromSeed(6) })).toNumbers()).not.toEqual(plain);
    });
    expect(dropConnect(0).forward(x, pass({}))).toBe(x);
  });

  test("keeps bfloat16", () => {
    scope(() => expect(dropConnect(0.5).forward(x.to("bfloat16"), pass({})).dtype).toBe("bfloat16"));
  });
});
