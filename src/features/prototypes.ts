/** One point a class: the mean direction of its features. */
import type { Examples, LinearHead } from "./logistic.js";
import { unitRows } from "./propagate.js";

/**
 * The head whose logits are cos(x, mean of the class) / temperature for features of mean length: the class of the nearest mean direction,
 * whatever the length of x. A class without examples is never chosen before the others.
 */
export function prototypes(examples: Examples, temperature: number): LinearHead {
  const { features, size, y, numClasses } = examples;
  const rows = unitRows(features, size);
  const sums = new Float32Array(numClasses * size);
  let length = 0;
  for (const [i, k] of y.entries()) {
    let [dot, at] = [0, i * size];
    for (let d = 0; d < size; d++, at++) {
      sums[k * size + d]! += rows[at]!;
      dot += rows[at]! * features[at]!;
    }
    length += dot / y.length;
  }
  const seen = new Set(y);
  const bias = Float32Array.from({ length: numClasses }, (_, k) => (seen.has(k) ? 0 : -2 / temperature));
  return { weight: unitRows(sums, size).map((v) => v / (temperature * (length || 1))), bias };
}
