/**
 * An optimizer outside the package: Lion (Chen et al., arXiv:2302.06675, Algorithm 2), g being the gradient:
 *
 *   u = sign(beta1 m + (1 - beta1) g);   w <- w - lr (u + decay w);   m <- beta2 m + (1 - beta2) g
 *
 *   fewlabels train --dataset digits --model convnet-tiny --optimizer ./examples/lion.mjs --optimizer.lr 0.0003
 *
 * Every optimizer also has `--optimizer.lr` and the learning-rate schedules: `defineOptimizer` adds them.
 */
import { defineOptimizer, optim, option, torch } from "fewlabels";

export const optimizer = defineOptimizer({
  name: "lion",
  paper: "Chen et al., arXiv:2302.06675",
  summary: "steps of one size in the direction of the averaged gradient's sign",
  options: {
    beta1: option.number(0.9, { min: 0, max: 1, doc: "share of the old mean in the direction of a step" }),
    beta2: option.number(0.99, { min: 0, max: 1, doc: "share of the old mean that is kept" }),
    decay: option.number(0, { min: 0, doc: "decoupled weight decay" }),
  },
  create(parameters, { beta1, beta2, decay }, { learningRate }) {
    const means = optim.zeroSlots(parameters);
    const slots = () => optim.nameSlots(parameters, { m: means });
    return {
      learningRate,
      step({ step }) {
        const rate = learningRate(step);
        return torch.scope(() =>
          torch.noGrad(() => {
            const { indices, params, grads } = optim.gatherGradients(parameters); // those that have a gradient
            params.forEach((w, i) => {
              const [m, g] = [means[indices[i]], grads[i]];
              const direction = m.mul(beta1).add_(g, 1 - beta1);
              const sign = torch.callTensor("aten::sign", "", direction);
              w.mul_(1 - rate * decay).add_(sign, -rate);
              m.mul_(beta2).add_(g, 1 - beta2);
            });
            return {};
          }),
        );
      },
      zeroGrad() {
        for (const { tensor } of parameters) tensor.clearGrad();
      },
      // What a checkpoint keeps.
      stateDict: () => ({ tensors: slots(), values: {} }),
      loadStateDict: ({ tensors }) => optim.restoreTensors("lion", slots(), tensors),
    };
  },
});
