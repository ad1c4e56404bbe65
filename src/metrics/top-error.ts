import type { RowMetric } from "./metric.js";

/**
 * Percentage of images whose class is not among the `k` with the largest logits (top-5 error: ImageNet's headline). Equal
 * logits count against the image and so do those that are no number: a network that says the same of every class, or
 * nothing, is wrong.
 */
export function topError(k: number): RowMetric {
  return {
    name: `top${k}Error`,
    scale: 100,
    sum(logits, y) {
      const own = logits.gather(1, y.unsqueeze(1)); // [N, 1]
      const place = logits.ge(own).to("float32").sum([1]); // [N], 1 for the largest logit; 0: not a number
      const wrong = place.gt(k).to("float32").add(place.lt(1).to("float32"));
      return wrong.sum();
    },
  };
}
