/**
 * Which way is up: a linear layer of four outputs on the network's features says by how many quarters a picture was turned.
 *
 * @see Gidaris, Singh, Komodakis, arXiv:1803.07728; ReMixMatch, arXiv:1911.09785, Section 3.3
 */
import { UsageError } from "../../../errors.js";
import { crossEntropy } from "../../../losses/index.js";
import { linear, type Model, relu, sequential } from "../../../nn/index.js";
import { callTensor, cat, type Tensor, tensor, world } from "../../../torch/index.js";
import type { Progress, Setup } from "../../method.js";
import { selectRows } from "../interleaved.js";
import { sideHead } from "./side-head.js";

/** Quarters: 0, 90, 180 and 270 degrees. */
const TURNS = 4;

/** `deep`: a hidden layer as wide as the features. Throws UsageError where the network has no linear head. */
export function rotationTask(setup: Setup, student: Model, who: string, { deep = false } = {}) {
  const { rng } = setup;
  const { device } = student.parameters[0]!.tensor;
  const { head, optimizer } = sideHead(setup, student, who, "rotation", (size) =>
    deep
      ? sequential({ "0": linear(size, size), "1": relu(), "2": linear(size, TURNS) })
      : linear(size, TURNS, { glorot: true }),
  );
  return {
    state: { rotationHead: head, rotationOptimizer: optimizer },
    optimizer,
    /**
     * Mean cross-entropy over the rows of the whole batch, of which `own` `[N, C, S, S]` are this process's, of which a quarter each, chosen at random, is turned by each angle. Running
     * statistics stay. Throws UsageError where pictures are no squares.
     */
    loss(own: Tensor, { step }: Progress): Tensor {
      const x = world().gather(own);
      const n = x.size(0);
      if (x.size(2) !== x.size(3)) {
        throw new UsageError(
          `${who}: turns pictures by quarters, which need be squares, and these are ${x.size(2)} x ${x.size(3)}. Add --method.rotationWeight 0`,
        );
      }
      const order = Array.from(rng.split(`rotation:${step}`).permutation(n));
      const groups = Array.from({ length: TURNS }, (_, turn) => order.filter((_, at) => at % TURNS === turn));
      const turned = groups.map((rows, turn) => callTensor("aten::rot90", "", selectRows(x, rows), turn, [2, 3]));
      const turns = groups.flatMap((rows, turn) => rows.map(() => BigInt(turn)));
      const all = cat(turned);
      const features = student.features(world().own(x.isChannelsLast ? all.contiguous("channelsLast") : all), {
        mode: "train",
        updateStatistics: false,
      });
      return crossEntropy(head.forward(features, "train"), tensor(BigInt64Array.from(turns), [n]).toDevice(device));
    },
  };
}
