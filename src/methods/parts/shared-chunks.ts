/** What a network says of many images, chunk by chunk: of several processes each of the W takes every W-th chunk, and all get all of it. */
import { noGrad, scope, type Tensor, world, zeros } from "../../torch/index.js";
import type { Setup } from "../method.js";

export interface Chunks {
  /** Positions of the images. */
  readonly rows: Int32Array;
  /** Images a pass: the same ones whatever the number of processes, so that what is said of them has the same bits. */
  readonly size: number;
  /** Numbers said of an image, and where they lie. */
  readonly width: number;
  readonly device: string;
  /** `[part.length, width]` float32, without a message to another process. */
  compute(part: Int32Array): Tensor;
}

/** Calls `use(values, start)` for every chunk in order, in every process: `values` `[n, width]` of the images from position `start` on. */
export function inSharedChunks(
  { rows, size, width, device, compute }: Chunks,
  use: (values: Tensor, start: number) => void,
): void {
  const { rank, size: processes } = world();
  const lengthAt = (start: number) => Math.max(0, Math.min(size, rows.length - start));
  for (let first = 0; first < rows.length; first += size * processes) {
    noGrad(() =>
      scope(() => {
        const own = first + rank * size;
        const values = lengthAt(own) > 0 ? compute(rows.subarray(own, own + size)) : undefined;
        if (processes === 1) return use(values!, first);
        const message = zeros([size, width], { device });
        if (values) message.narrow(0, 0, values.size(0)).copy_(values);
        const all = world().gather(message); // row j of process r is row j W + r
        for (let r = 0; r < processes; r++) {
          const start = first + r * size;
          if (lengthAt(start) > 0) use(all.everyNth(0, r, processes).narrow(0, 0, lengthAt(start)), start);
        }
      }),
    );
  }
}

/** The same where images may have to be decoded first: a process has its next chunk decoded while it computes one. */
export async function inHeldChunks(
  chunks: Chunks,
  hold: Setup["holdImages"],
  use: (values: Tensor, start: number) => void,
): Promise<void> {
  const { rank, size: processes } = world();
  const { rows, size } = chunks;
  const all = size * processes;
  const ownAt = (first: number) => hold(rows.subarray(first + rank * size, first + (rank + 1) * size));
  let next = ownAt(0);
  for (let first = 0; first < rows.length; first += all) {
    const held = await next;
    next = ownAt(first + all);
    inSharedChunks({ ...chunks, rows: rows.subarray(first, first + all) }, (values, start) =>
      use(values, first + start),
    );
    held.release();
  }
  await next;
}
