/** One pass over many rows in several sub-batches, each with the same share of every kind of row. */

import type { Model } from "../../nn/index.js";
import { cat, type Tensor, tensor, world } from "../../torch/index.js";

/** Rows of `t` by position, in the same layout. */
export function selectRows(t: Tensor, rows: readonly number[]): Tensor {
  const chosen = t.indexSelect(0, tensor(Int32Array.from(rows), [rows.length]).toDevice(t.device));
  return t.isChannelsLast ? chosen.contiguous("channelsLast") : chosen; // the selection forgets the layout
}

/** Logits `[N, K]` in the order of `x`, which every process has whole, from passes over rows s, s + n, s + 2n, ... for s below n = `groups`; the first updates statistics. */
export function interleavedForward(student: Model, x: Tensor, groups: number): Tensor {
  const n = x.size(0);
  const rowsOf = (s: number) => Array.from({ length: Math.ceil((n - s) / groups) }, (_, i) => s + i * groups);
  const parts = Array.from({ length: Math.min(groups, n) }, (_, s) => rowsOf(s));
  const { size } = world();
  for (const { length } of parts) {
    if (length % size === 0) continue;
    throw new Error(
      `interleavedForward: ${size} processes cannot share ${n} rows in ${groups} sub-batches; declare subBatches`,
    );
  }
  const logits = parts.map((rows, s) =>
    student.forward(world().own(selectRows(x, rows)), { mode: "train", updateStatistics: s === 0 }),
  );
  const place = new Array<number>(n);
  parts.flat().forEach((row, at) => {
    place[row] = at;
  });
  return selectRows(cat(logits), place);
}
