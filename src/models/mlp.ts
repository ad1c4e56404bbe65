/** Multilayer perceptron on flattened inputs: the two-moons network of Meta Pseudo Labels (methods.md 2.8). */
import { gaussianNoise, layer, linear, type Module, network, sequential, sigmoid } from "../nn/index.js";
import { choice, integer, needPositive, number } from "../options.js";
import { defineModel } from "./model-definition.js";

export const mlp = defineModel({
  name: "mlp",
  paper: "arXiv:2003.10580, Section 3.1 (TwoMoon)",
  summary: "fully connected layers on flattened inputs",
  options: {
    hidden: integer(8, { min: 1, needs: [needPositive("model.depth")], doc: "units of each hidden layer" }),
    depth: integer(2, { min: 0, max: 32, doc: "number of hidden layers" }),
    activation: choice(["sigmoid", "relu"], "sigmoid", {
      needs: [needPositive("model.depth")],
      doc: "nonlinearity of the hidden layers",
    }),
    init: number(undefined, { min: 0, doc: "weights start as U(-init, init); default 1 / sqrt(inputs)" }),
    inputNoise: number(0, { min: 0, doc: "standard deviation of the Gaussian noise added to the input" }),
    heads: integer(1, { min: 1, max: 2, doc: "2 adds a consistency head" }),
  },
  presets: { "mlp-two-moons": { hidden: 8, depth: 2, activation: "sigmoid", init: 0.1 } },
  input: { channels: 2, height: 1, width: 1, numClasses: 2 },
  create({ channels, height, width, numClasses }, { hidden, depth, activation, init, inputNoise, heads }) {
    const act = () => (activation === "sigmoid" ? sigmoid() : layer((x) => x.relu(), "relu"));
    const inputs = channels * height * width;
    const stack: Record<string, Module> = {
      noise: gaussianNoise(inputNoise),
      flatten: layer((x) => x.flatten(1), "flatten"), // [N, C H W]
    };
    for (let i = 0; i < depth; i++) {
      stack[`fc${i + 1}`] = linear(i === 0 ? inputs : hidden, hidden, { init });
      stack[`act${i + 1}`] = act();
    }
    const dense = () => linear(depth === 0 ? inputs : hidden, numClasses, { init });
    const features = sequential(stack);
    return network(heads === 2 ? { features, fc: dense(), fc2: dense() } : { features, fc: dense() });
  },
});
