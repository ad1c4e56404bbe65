/**
 * Smaller files. fp16: weights are stored in half precision and become float32 when the file is loaded; the arithmetic stays. int8:
 * weights of convolutions and dense layers are stored in 8 bits with a scale for each output, and what they are multiplied with is
 * brought to 8 bits at run time (dynamic quantization), by ONNX's own operators.
 */
import { Builder, int } from "./builder.js";
import { withoutUnused } from "./fold.js";
import { floats, floatsOf, type OnnxModel, type OnnxNode, type OnnxTensor } from "./model.js";
import { WHITENING } from "./preprocess.js";

export const dtypes = ["fp32", "fp16", "int8"] as const;
export type Dtype = (typeof dtypes)[number];

/** Smaller tensors stay as they are: they are biases, gains and constants. */
const leastElements = 64;

export function shrink(model: OnnxModel, dtype: Dtype): OnnxModel {
  if (dtype === "fp16") return halved(model);
  return dtype === "int8" ? quantized(model) : model;
}

const elements = ({ shape }: OnnxTensor) => shape.reduce((product, n) => product * n, 1);

function halved(model: OnnxModel): OnnxModel {
  const initializers = new Map<string, OnnxTensor>();
  const casts: OnnxNode[] = [];
  for (const [name, tensor] of model.initializers) {
    if (tensor.type !== "float32" || elements(tensor) < leastElements) {
      initializers.set(name, tensor);
      continue;
    }
    const half = `${name}.half`;
    initializers.set(half, { type: "float16", shape: tensor.shape, bytes: toHalf(floatsOf(tensor)) });
    casts.push({ op: "Cast", inputs: [half], outputs: [name], attributes: { to: { int: 1 } }, name: `${name}.cast` });
  }
  return { ...model, initializers, nodes: [...casts, ...model.nodes] };
}

/** IEEE half precision, rounded to nearest even; what is too large becomes the largest. */
export function toHalf(values: Float32Array): Uint8Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const [sign, size] = [(bits[i]! >>> 16) & 0x8000, Math.abs(values[i]!)];
    if (Number.isNaN(size)) out[i] = sign | 0x7e00;
    else if (size >= 65504) out[i] = sign | 0x7bff;
    else {
      // The step between neighbors: 2^-24 below 2^-14, then 2^-10 of the power of two below.
      const exponent = size < 2 ** -14 ? -14 : ((bits[i]! >>> 23) & 0xff) - 127;
      const steps = roundEven(size * 2 ** (10 - exponent));
      out[i] = sign | (size < 2 ** -14 ? steps : ((exponent + 15) << 10) + steps - 1024);
    }
  }
  return new Uint8Array(out.buffer);
}

function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/** Codes 0..255 around 128: products of two unsigned bytes are exact on every processor, of signed ones they are not on AVX2. */
const ZERO = 128;

function quantized(model: OnnxModel): OnnxModel {
  const b = new Builder(model.input.name);
  const readings = new Map<string, readonly [codes: string, scale: string, zero: string]>();
  /** The input of a layer in 8 bits, once for all who read it. */
  const codesOf = (x: string) => {
    const known = readings.get(x);
    if (known) return known;
    const names = [b.fresh("codes"), b.fresh("scale"), b.fresh("zero")] as const;
    b.nodes.push({ op: "DynamicQuantizeLinear", inputs: [x], outputs: names, attributes: {}, name: names[0] });
    readings.set(x, names);
    return names;
  };
  const initializers = new Map(model.initializers);
  const makers = new Map(model.nodes.map((node) => [node.outputs[0]!, node]));
  for (const node of model.nodes) {
    const layer = layerOf(node, model, makers);
    if (!layer) {
      b.nodes.push(node);
      continue;
    }
    const { weight, weightName, bias, conv } = layer;
    const [x] = node.inputs;
    b.where = node.name;
    const { codes, scale } = perOutput(weight, !conv);
    const names = {
      codes: b.constant(codes, `${weightName}.codes`),
      scale: b.constant(floats(scale, conv ? [1, scale.length, 1, 1] : [scale.length]), `${weightName}.scale`),
      zero: b.constant({ type: "uint8", shape: [], bytes: Uint8Array.of(ZERO) }),
    };
    const [input, inputScale, inputZero] = codesOf(x!);
    const sums = conv
      ? b.node("ConvInteger", [input, names.codes, inputZero, names.zero], node.attributes)
      : b.node("MatMulInteger", [input, names.codes, inputZero, names.zero]);
    const real = b.node("Cast", [sums], { to: int(1) });
    const scaled = b.node("Mul", [real, b.node("Mul", [inputScale, names.scale])]);
    const output = node.outputs[0]!;
    if (bias === undefined)
      b.nodes.push({ op: "Identity", inputs: [scaled], outputs: [output], attributes: {}, name: output });
    else {
      const own = initializers.get(bias)!;
      const offset = conv ? b.constant({ ...own, shape: [1, scale.length, 1, 1] }, `${bias}.row`) : bias;
      b.nodes.push({ op: "Add", inputs: [scaled, offset], outputs: [output], attributes: {}, name: output });
    }
  }
  for (const [name, tensor] of b.initializers) initializers.set(name, tensor);
  const read = new Set([model.output.name, ...b.nodes.flatMap(({ inputs }) => inputs)]);
  const nodes = b.nodes.filter(({ op, outputs }) => op !== "Transpose" || read.has(outputs[0]!));
  return withoutUnused({ ...model, nodes, initializers });
}

interface Layer {
  /** Rows `[O, ...]`. */
  readonly weight: OnnxTensor;
  readonly weightName: string;
  readonly bias: string | undefined;
  readonly conv: boolean;
}

/** What a node is as a layer whose weights go into 8 bits; undefined: it stays as it is. */
function layerOf(node: OnnxNode, model: OnnxModel, makers: ReadonlyMap<string, OnnxNode>): Layer | undefined {
  const { op } = node;
  if (op !== "Conv" && op !== "Gemm" && op !== "MatMul") return undefined;
  const second = node.inputs[1]!;
  const maker = makers.get(second);
  // What a dense layer on tokens or pixels is multiplied with: the transpose of its weight.
  const turned = op === "MatMul" && maker?.op === "Transpose";
  const weightName = turned ? maker.inputs[0]! : second;
  const stored = model.initializers.get(weightName);
  if (!stored || elements(stored) < leastElements || weightName === WHITENING) return undefined; // whitening cannot do with 8 bits
  if (op === "Conv" && stored.shape[1] === 1) return undefined; // depthwise
  if (op === "MatMul" && stored.shape.length !== 2) return undefined;
  const weight = op === "MatMul" && !turned ? transposed(stored) : stored;
  return { weight, weightName, bias: node.inputs[2], conv: op === "Conv" };
}

/** `[I, O]` as `[O, I]`. */
function transposed(weight: OnnxTensor): OnnxTensor {
  const [rows, columns] = [weight.shape[0]!, weight.shape[1]!];
  const values = floatsOf(weight);
  const turned = Float32Array.from(values, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!);
  return floats(turned, [columns, rows]);
}

/** Rows `[O, ...]` as bytes, row k being (code - 128) scale[k]; `transposed`: as `[I, O]`, as products of matrices want it. */
function perOutput(
  weight: OnnxTensor,
  transposed: boolean,
): { readonly codes: OnnxTensor; readonly scale: Float32Array } {
  const values = floatsOf(weight);
  const rows = weight.shape[0]!;
  const size = values.length / rows;
  const scale = new Float32Array(rows);
  const bytes = new Uint8Array(values.length);
  for (let k = 0; k < rows; k++) {
    const row = values.subarray(k * size, (k + 1) * size);
    const largest = row.reduce((top, v) => Math.max(top, Math.abs(v)), 0);
    const step = largest / 127 || 1;
    scale[k] = step;
    row.forEach((v, i) => {
      bytes[transposed ? i * rows + k : k * size + i] = ZERO + Math.round(v / step);
    });
  }
  return { codes: { type: "uint8", shape: transposed ? [size, rows] : weight.shape, bytes }, scale };
}
