// Pictures that arrive while a pass runs are decoded meanwhile and go through the next one together, on few cores as well.
import { expect, test } from "vitest";
import { batchedClassifier } from "../../src/web/classifier.js";
import { flat } from "../support/pictures.js";

test("sixteen pictures at once take few passes", async () => {
  const sizes: number[] = [];
  const classifier = batchedClassifier({
    classes: ["a", "b"],
    decoding: { size: 8, channels: 3, fit: "crop", maxMegapixels: 1 },
    probabilities({ count }) {
      sizes.push(count);
      const until = performance.now() + 200; // as a network does, it leaves JavaScript no time
      while (performance.now() < until);
      return Float32Array.from({ length: 2 * count }, (_, i) => (i % 2 === 0 ? 0.25 : 0.75));
    },
  });
  const png = await flat([9, 9, 9], 20, 20).png().toBuffer();
  const answers = await Promise.all(Array.from({ length: 16 }, () => classifier.classify(png)));
  for (const answer of answers) expect(answer).toMatchObject({ class: "b", probability: 0.75 });
  expect(sizes.reduce((a, b) => a + b)).toBe(16);
  // Two at a time would be eight passes.
  expect(classifier.passes).toBeLessThan(7);
}, 60_000);
