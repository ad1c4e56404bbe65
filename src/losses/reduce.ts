/** What all losses share: their precision, their checks, and how a value per row becomes one number. */
import { UsageError } from "../errors.js";
import type { Tensor } from "../torch/index.js";

/** How the rows of a batch are summed up: (1 / divideBy) sum_i rowMask_i loss_i. */
export interface Reduction {
  /**
   * Denominator; default N, the number of rows given, masked ones included. Published consistency weights hang on it:
   * see docs/schedules-and-losses.md. With no rows the loss is 0 whatever the denominator.
   */
  readonly divideBy?: number;
  /** `[N]`, bool or float: a weight for each row. It does not change the denominator. No gradient flows into it. */
  readonly rowMask?: Tensor;
}

/** Sums `[N]` up; the result is a scalar. */
export function reduceRows(who: string, perRow: Tensor, { divideBy, rowMask }: Reduction): Tensor {
  const rows = perRow.size(0);
  if (divideBy !== undefined && !(divideBy > 0) && rows > 0) {
    throw new UsageError(`${who}: expected divideBy to be more than 0, got ${divideBy}`);
  }
  if (rowMask && !sameShape(rowMask.shape, [rows])) {
    throw new UsageError(`${who}: expected rowMask [${rows}], one entry a row, got ${describe(rowMask)}`);
  }
  const weighted = rowMask ? perRow.mul(rowMask.detach().to(perRow.dtype)) : perRow;
  return weighted.sum().div(rows === 0 ? 1 : (divideBy ?? rows));
}

/** Losses are computed in float32, or in float64 if they are given that: half precision would lose the logarithms. */
export function inFullPrecision(t: Tensor): Tensor {
  return t.dtype === "float32" || t.dtype === "float64" ? t : t.float();
}

/** Throws UsageError unless `logits` is `[N, K]` and floating. */
export function checkLogits(who: string, logits: Tensor, argument = "logits"): void {
  if (logits.shape.length === 2 && isFloat(logits)) return;
  throw new UsageError(`${who}: expected ${argument} [N, K] float, got ${describe(logits)}`);
}

/** Throws UsageError unless `target` is floating and shaped as `logits`. */
export function checkSameShape(who: string, logits: Tensor, target: Tensor, argument = "target"): void {
  checkLogits(who, logits);
  if (sameShape(logits.shape, target.shape) && isFloat(target)) return;
  throw new UsageError(
    `${who}: expected ${argument} [N, K] float for logits ${shapeText(logits)}, got ${describe(target)}`,
  );
}

/** `[32] int64` */
export function describe(t: Tensor): string {
  return `${shapeText(t)} ${t.dtype}`;
}

export function shapeText(t: Tensor): string {
  return `[${t.shape.join(", ")}]`;
}

export function isFloat(t: Tensor): boolean {
  return t.dtype.startsWith("float") || t.dtype === "bfloat16";
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((n, axis) => n === b[axis]);
}
