/** A small network on the features that the student's head is given, with an optimizer of its own: for tasks beside the classes. */
import { UsageError } from "../../../errors.js";
import { createModel, layer, type Model, type Module, network } from "../../../nn/index.js";
import type { Setup } from "../../method.js";

/** `make` gets the count of features. Throws UsageError where the student has no linear head that tells it. */
export function sideHead(setup: Setup, student: Model, who: string, role: string, make: (size: number) => Module) {
  const weight = student.parameters.find(({ part, tensor: t }) => part === "head" && t.shape.length === 2)?.tensor;
  if (!weight) {
    throw new UsageError(
      `${who}: learns more from the features that a linear head is given, and this network has no such head. Use another network`,
    );
  }
  const net = network({ features: layer((x) => x), fc: make(weight.size(1)) });
  const head = createModel(net, { rng: setup.rng.split(role), precision: "fp32", device: weight.device });
  return { head, optimizer: setup.buildOptimizer(role, head) };
}
