import { crossEntropy } from "../losses/index.js";
import type { RowMetric } from "./metric.js";

/** Mean cross-entropy in nats. */
export const loss: RowMetric = {
  name: "loss",
  scale: 1,
  sum: (logits, y) => crossEntropy(logits, y, { divideBy: 1 }),
};
