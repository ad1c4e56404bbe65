/** Batch norm in evaluation is a factor and an offset a channel: behind a convolution or a dense layer it goes into their weights. */
import { floats, floatsOf, type OnnxModel, type OnnxNode, type OnnxTensor } from "./model.js";

/**
 * Folds every batch norm whose input is a convolution (or dense layer) that nobody else reads. Computed in float64 and rounded once.
 * Weights that are no longer read are left out.
 */
export function foldBatchNorm(model: OnnxModel): OnnxModel {
  const initializers = new Map(model.initializers);
  const makers = new Map(model.nodes.map((node) => [node.outputs[0]!, node]));
  const readers = countReaders(model);
  const replaced = new Map<OnnxNode, OnnxNode | undefined>();
  for (const norm of model.nodes) {
    if (norm.op !== "BatchNormalization") continue;
    const layer = makers.get(norm.inputs[0]!);
    if (!layer || (layer.op !== "Conv" && layer.op !== "Gemm") || readers.get(layer.outputs[0]!) !== 1) continue;
    const weight = initializers.get(layer.inputs[1]!);
    if (!weight || readers.get(layer.inputs[1]!) !== 1) continue;
    const eps = norm.attributes.epsilon;
    const [gain, offset, mean, variance] = norm.inputs.slice(1).map((name) => floatsOf(initializers.get(name)!));
    const factor = Float64Array.from(
      gain!,
      (g, k) => g / Math.sqrt(variance![k]! + (eps && "float" in eps ? eps.float : 1e-5)),
    );
    const old = layer.inputs[2] ? floatsOf(initializers.get(layer.inputs[2])!) : undefined;
    const bias = Float64Array.from(factor, (f, k) => ((old?.[k] ?? 0) - mean![k]!) * f + offset![k]!);
    const [weightName, biasName] = [layer.inputs[1]!, `${norm.inputs[2]!}.folded`];
    initializers.set(weightName, scaled(weight, factor));
    initializers.set(biasName, floats(bias));
    const folded = { ...layer, inputs: [layer.inputs[0]!, weightName, biasName], outputs: norm.outputs };
    replaced.set(layer, undefined); // it moves to where the norm was
    replaced.set(norm, folded);
    makers.set(norm.outputs[0]!, folded);
  }
  const nodes = model.nodes.flatMap((node) => (replaced.has(node) ? (replaced.get(node) ?? []) : [node]));
  return withoutUnused({ ...model, nodes, initializers });
}

/** `[O, ...]`, row k times `factor[k]`. */
function scaled(weight: OnnxTensor, factor: Float64Array): OnnxTensor {
  const values = floatsOf(weight);
  const size = values.length / factor.length;
  for (let i = 0; i < values.length; i++) values[i]! *= factor[Math.floor(i / size)]!;
  return floats(values, weight.shape);
}

function countReaders({ nodes, output }: OnnxModel): Map<string, number> {
  const readers = new Map([[output.name, 1]]);
  for (const { inputs } of nodes) for (const name of inputs) readers.set(name, (readers.get(name) ?? 0) + 1);
  return readers;
}

export function withoutUnused(model: OnnxModel): OnnxModel {
  const read = new Set(model.nodes.flatMap(({ inputs }) => inputs));
  return { ...model, initializers: new Map([...model.initializers].filter(([name]) => read.has(name))) };
}
