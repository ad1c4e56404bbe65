/**
 * Runs an ONNX model with this package's own engine, operator by operator: the check that a written file computes what the network
 * does, without another runtime at hand, and what `fewlabels serve` uses for exported folders. Only what `export` writes.
 */
import { DataError } from "../../errors.js";
import {
  batchNorm,
  call,
  callTensor,
  constantPad2d,
  expand,
  noGrad,
  scope,
  type Tensor,
  tensor,
} from "../../torch/index.js";
import { type Attribute, integersOf, type OnnxModel, type OnnxNode, type OnnxTensor } from "./model.js";

type Attributes = OnnxNode["attributes"];
type Run = (
  inputs: readonly (Tensor | undefined)[],
  attributes: Attributes,
  raw: readonly (OnnxTensor | undefined)[],
) => Tensor | Tensor[];

const intOf = (a: Attribute | undefined, otherwise = 0) => (a && "int" in a ? a.int : otherwise);
const intsOf = (a: Attribute | undefined): readonly number[] | undefined => (a && "ints" in a ? a.ints : undefined);
const floatOf = (a: Attribute | undefined, otherwise: number) => (a && "float" in a ? a.float : otherwise);
const numbersOf = (t: OnnxTensor | undefined): number[] => {
  if (t?.type === "int64") return integersOf(t);
  throw new DataError("a list of axes or lengths is not in the file");
};

/** Symmetric padding as libtorch wants it; anything else is padded beforehand. */
function window(x: Tensor, attributes: Attributes, fill: number) {
  const [top = 0, left = 0, bottom = 0, right = 0] = intsOf(attributes.pads) ?? [];
  const even = top === bottom && left === right;
  return {
    input: even ? x : constantPad2d(x, { left, right, top, bottom }, fill),
    padding: even ? [top, left] : [0, 0],
  };
}

const conv: Run = ([x, weight, bias], a) => {
  const { input, padding } = window(x!, a, 0);
  return callTensor(
    "aten::conv2d",
    "",
    input,
    weight,
    bias,
    intsOf(a.strides) ?? [1, 1],
    padding,
    intsOf(a.dilations) ?? [1, 1],
    intOf(a.group, 1),
  );
};

const lengthsOf = (lengths: readonly number[]) => tensor([...lengths], [lengths.length]);

const unary =
  (name: string): Run =>
  ([x]) =>
    callTensor(`aten::${name}`, "", x);
const binary =
  (name: string, overload = "Tensor"): Run =>
  ([x, y]) =>
    callTensor(`aten::${name}`, overload, x, y);
const reduce =
  (name: "mean" | "amax" | "amin"): Run =>
  ([x], a) => {
    const over = intsOf(a.axes) ?? x!.shape.map((_, i) => i);
    return x![name](over, intOf(a.keepdims, 1) === 1);
  };

/** uint8 codes, scale and zero point of one tensor, as ONNX defines them. */
const quantizeDynamically: Run = ([x]) => {
  const low = Math.min(0, x!.amin(x!.shape.map((_, i) => i)).item());
  const high = Math.max(0, x!.amax(x!.shape.map((_, i) => i)).item());
  const scale = Math.fround((high - low) / 255) || 1;
  const zero = Math.min(255, Math.max(0, Math.round(-low / scale)));
  const codes = callTensor("aten::round", "", x!.div(scale)).add(zero).clampMin(0).clampMax(255);
  return [codes, tensor([scale], []), tensor([zero], [])];
};

const operators: Readonly<Record<string, Run>> = {
  Conv: conv,
  Gemm: ([x, w, bias], a) => callTensor("aten::linear", "", x, intOf(a.transB) === 1 ? w : w!.transpose(0, 1), bias),
  MatMul: ([x, y]) => x!.matmul(y!),
  // Codes are whole numbers, so float32 sums are exact up to 2^24, and nearly so above.
  ConvInteger: ([x, w, zeroX, zeroW], a) => conv([x!.sub(zeroX!), w!.sub(zeroW!)], a, []),
  MatMulInteger: ([x, w, zeroX, zeroW]) => x!.sub(zeroX!).matmul(w!.sub(zeroW!)),
  DynamicQuantizeLinear: quantizeDynamically,
  Cast: ([x]) => x!,
  Identity: ([x]) => x!,
  BatchNormalization: ([x, weight, bias, runningMean, runningVar], a) => {
    const settings = { weight: weight!, bias: bias!, runningMean, runningVar, training: false, momentum: 0 };
    return batchNorm(x!, { ...settings, eps: floatOf(a.epsilon, 1e-5) });
  },
  LayerNormalization: ([x, gain, bias], a) =>
    callTensor("aten::layer_norm", "", x, x!.shape.slice(intOf(a.axis, -1)), gain, bias, floatOf(a.epsilon, 1e-5)),
  MaxPool: ([x], a) => {
    const { input, padding } = window(x!, a, Number.NEGATIVE_INFINITY);
    const kernel = intsOf(a.kernel_shape);
    return callTensor(
      "aten::max_pool2d",
      "",
      input,
      kernel,
      intsOf(a.strides),
      padding,
      intsOf(a.dilations) ?? [1, 1],
      intOf(a.ceil_mode) === 1,
    );
  },
  AveragePool: ([x], a) => {
    const { input, padding } = window(x!, a, 0);
    return callTensor("aten::avg_pool2d", "", input, intsOf(a.kernel_shape), intsOf(a.strides), padding, false, true);
  },
  GlobalAveragePool: ([x]) => x!.mean([2, 3], true),
  Floor: unary("floor"),
  Relu: unary("relu"),
  LeakyRelu: ([x], a) => callTensor("aten::leaky_relu", "", x, floatOf(a.alpha, 0.01)),
  HardSwish: unary("hardswish"),
  HardSigmoid: ([x], a) => x!.mul(floatOf(a.alpha, 0.2)).add(floatOf(a.beta, 0.5)).clampMin(0).clampMax(1),
  Sigmoid: unary("sigmoid"),
  Tanh: unary("tanh"),
  Erf: unary("erf"),
  Neg: unary("neg"),
  Abs: unary("abs"),
  Exp: unary("exp"),
  Log: unary("log"),
  Sqrt: unary("sqrt"),
  Reciprocal: unary("reciprocal"),
  Softmax: ([x], a) => x!.softmax(intOf(a.axis, -1)),
  LogSoftmax: ([x], a) => x!.logSoftmax(intOf(a.axis, -1)),
  Add: binary("add"),
  Sub: binary("sub"),
  Mul: binary("mul"),
  Div: binary("div"),
  Max: binary("maximum", ""),
  Min: binary("minimum", ""),
  Pow: binary("pow", "Tensor_Tensor"),
  Less: binary("lt"),
  GreaterOrEqual: binary("ge"),
  TopK: ([x], a, [, k]) => {
    const [count] = numbersOf(k);
    const [largest, sorted] = [intOf(a.largest, 1) === 1, intOf(a.sorted, 1) === 1];
    return call("aten::topk", "", x, count, intOf(a.axis, -1), largest, sorted) as Tensor[];
  },
  Where: ([condition, x, y]) => callTensor("aten::where", "self", condition, x, y),
  Clip: ([x, low, high]) => {
    const above = low ? callTensor("aten::maximum", "", x, low) : x!;
    return high ? callTensor("aten::minimum", "", above, high) : above;
  },
  ReduceMean: reduce("mean"),
  ReduceMax: reduce("amax"),
  ReduceMin: reduce("amin"),
  ReduceSum: ([x], a, [, over]) => x!.sum(numbersOf(over), intOf(a.keepdims, 1) === 1),
  Pad: ([x, , value], _, [, pads]) => {
    const all = numbersOf(pads);
    const rank = all.length / 2;
    const pairs = Array.from({ length: rank }, (_, i) => [all[rank - 1 - i]!, all[2 * rank - 1 - i]!]).flat();
    return callTensor("aten::constant_pad_nd", "", x, pairs, value?.item() ?? 0);
  },
  // Lengths are float32 here, too.
  Shape: ([x], a) => lengthsOf(x!.shape.slice(intOf(a.start), intOf(a.end, x!.shape.length))),
  // A wanted length of 1 keeps what is there.
  Expand: ([x, lengths], _, [, given]) => {
    const wanted = lengths ? lengths.toNumbers() : numbersOf(given);
    const known = x!.shape.toReversed();
    const rank = Math.max(wanted.length, known.length);
    const all = [...new Array<number>(rank - wanted.length).fill(1), ...wanted];
    const kept = all.map((n, i) => (n === 1 ? (known[rank - 1 - i] ?? 1) : n));
    return expand(x!, kept);
  },
  Concat: (parts, a, raw) =>
    callTensor(
      "aten::cat",
      "",
      parts.map((part, i) => part ?? lengthsOf(numbersOf(raw[i]))),
      intOf(a.axis),
    ),
  Slice: ([x], _, [, starts, ends, over, steps]) => {
    const [from, to, axes, by] = [starts, ends, over, steps].map(numbersOf) as [number[], number[], number[], number[]];
    return axes.reduce((t, axis, i) => callTensor("aten::slice", "Tensor", t, axis, from[i], to[i], by[i]), x!);
  },
  Gather: ([x], a, [, index]) => x!.select(intOf(a.axis), numbersOf(index)[0]!),
  Reshape: ([x], _, [, shape]) => x!.reshape(numbersOf(shape).map((n, i) => (n === 0 ? x!.size(i) : n))),
  Flatten: ([x]) => x!.flatten(1),
  Transpose: ([x], a) => x!.permute(intsOf(a.perm) ?? []),
  Unsqueeze: ([x], _, [, over]) => x!.unsqueeze(numbersOf(over)[0]!),
  Squeeze: ([x], _, [, over]) => x!.squeeze(numbersOf(over)[0]!),
};

/** A model in memory, ready to run. */
export interface LoadedGraph {
  /** `[N, C, H, W]` float32 pixels 0..255 -> `[N, K]` logits, row by row. */
  logits(pixels: Float32Array, shape: readonly number[]): Float32Array;
  release(): void;
}

/** Throws DataError where the file has an operator that `export` does not write. */
export function loadGraph(model: OnnxModel, who: string): LoadedGraph {
  for (const { op } of model.nodes) {
    if (!Object.hasOwn(operators, op))
      throw new DataError(`${who}: has the operator ${op}, which fewlabels cannot run`);
  }
  const weights = new Map(
    scope(() =>
      [...model.initializers].flatMap(([name, raw]) =>
        raw.type === "int64" ? [] : [[name, toTensor(raw).keep()] as const],
      ),
    ),
  );
  return {
    logits: (pixels, shape) =>
      noGrad(() => scope(() => runNodes(model, weights, tensor(pixels, shape), who).toArray() as Float32Array)),
    release() {
      for (const t of weights.values()) t.release();
    },
  };
}

function runNodes(
  { nodes, initializers, input, output }: OnnxModel,
  weights: ReadonlyMap<string, Tensor>,
  x: Tensor,
  who: string,
): Tensor {
  const values = new Map([[input.name, x]]);
  const kept = new Set(weights.values()); // a cast to what it is already gives back the same tensor
  const lastRead = new Map(nodes.flatMap(({ inputs }, i) => inputs.map((name) => [name, i] as const)));
  for (const [i, node] of nodes.entries()) {
    const inputs = node.inputs.map((name) => values.get(name) ?? weights.get(name));
    let made: Tensor | Tensor[];
    try {
      made = operators[node.op]!(
        inputs,
        node.attributes,
        node.inputs.map((name) => initializers.get(name)),
      );
    } catch (error) {
      throw new DataError(`${who}: ${node.op} (${node.name}): ${(error as Error).message}`, { cause: error });
    }
    for (const [k, result] of [made].flat().entries()) if (node.outputs[k]) values.set(node.outputs[k], result);
    for (const name of new Set(node.inputs)) {
      if (lastRead.get(name) !== i || name === input.name) continue;
      const t = values.get(name);
      values.delete(name);
      if (t && !kept.has(t) && ![...values.values()].includes(t)) t.release();
    }
  }
  const result = values.get(output.name);
  if (!result) throw new DataError(`${who}: nothing makes its output ${output.name}`);
  return result;
}

function toTensor({ type, shape, bytes }: OnnxTensor): Tensor {
  const own = bytes.slice();
  switch (type) {
    case "float32":
      return tensor(new Float32Array(own.buffer), shape);
    case "uint8":
      return tensor(own, shape).float();
    case "int8":
      return tensor(new Int8Array(own.buffer), shape).float();
    case "float16":
      return (call("aten::reshape", "", tensor(own, [own.length]).viewAs("float16"), shape) as Tensor).float();
    default:
      throw new DataError(`tensors of type ${type} cannot be run`);
  }
}
