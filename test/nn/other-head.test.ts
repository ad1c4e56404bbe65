// A network and a model with nearest neighbors in place of their head: the same names, the same logits, also where the head is nested.
import { expect, test } from "vitest";
import {
  createModel,
  keepNeighbors,
  linear,
  namedBuffers,
  namedParameters,
  neighbors,
  network,
  networkWithHead,
  relu,
  sequential,
  withHead,
} from "../../src/nn/index.js";
import { Rng } from "../../src/rng.js";
import { scope, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";

const settings = { precision: "fp32", device: "cpu" } as const;
const plain = () => network({ features: sequential({ one: linear(4, 3) }), fc: linear(3, 2) });
/** As MobileNet names it: "classifier.0" before the head, "classifier.2" the head. */
const nested = () =>
  network(
    {
      features: sequential({ one: linear(4, 5) }),
      neck: sequential({ "0": linear(5, 3), "1": relu() }),
      fc: sequential({ "2": linear(3, 2) }),
    },
    { fc: "classifier" },
  );
const head = () => neighbors({ count: 3, size: 3, numClasses: 2, most: 2 });
const known = {
  features: Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1),
  y: Int32Array.of(0, 1, 1),
  k: 2,
  temperature: 0.5,
};

describeEngine("another head", () => {
  test.each([
    ["fc", plain, ["features.one.weight", "features.one.bias"]],
    ["classifier.2", nested, ["features.one.weight", "features.one.bias", "classifier.0.weight", "classifier.0.bias"]],
  ] as const)(
    "in place of %s: its tensors are gone, the others stay, and network and model agree",
    (_, build, kept) => {
      const given = head();
      const net = networkWithHead(build(), "neighbors", given);
      const byNetwork = createModel(net, { ...settings, rng: Rng.fromSeed(4) });
      keepNeighbors(given, known);
      const other = head();
      const byModel = withHead(createModel(build(), { ...settings, rng: Rng.fromSeed(4) }), "neighbors", other);
      keepNeighbors(other, known);
      expect(namedParameters(net).map(({ name }) => name)).toEqual(kept);
      const buffers = ["neighbors.features", "neighbors.classes", "neighbors.nearest", "neighbors.temperature"];
      expect(namedBuffers(net).map(({ name }) => name)).toEqual(buffers);
      expect(Object.keys(byModel.stateDict().tensors)).toEqual([...kept, ...buffers]);
      scope(() => {
        const x = tensor(
          Float32Array.from({ length: 20 }, (_, i) => Math.sin(i)),
          [5, 4],
        );
        const logits = byNetwork.forward(x, "eval").toNumbers();
        expect(byModel.forward(x, "eval").toNumbers()).toEqual(logits);
        expect(new Set(logits).size).toBeGreaterThan(3);
        // The state of one is that of the other.
        const third = withHead(createModel(build(), { ...settings, rng: Rng.fromSeed(9) }), "neighbors", head());
        third.loadStateDict(byNetwork.stateDict());
        expect(third.forward(x, "eval").toNumbers()).toEqual(logits);
      });
    },
  );
});
