/**
 * libtorch's operators, and our own kernels, in ONNX's (opset 17). One row each; what has no row cannot be exported. Arguments
 * follow the schema of the operator.
 */
import { UsageError } from "../../errors.js";
import { type Builder, float, int, ints } from "./builder.js";

/** A tensor of the graph. */
export interface Port {
  readonly port: string;
  readonly shape: readonly number[];
  /** Its length along axis 0 is that of the batch. */
  readonly batched: boolean;
}

/** An argument: a tensor, a list of them, or a plain value; in lists of lengths `BATCH` stands for that of the batch. */
export type Argument = Port | readonly Port[] | number | boolean | string | readonly number[] | undefined;
/** Stands for the length of the batch among lengths, where libtorch has -1 for what follows from the others. */
export const BATCH = -(2 ** 40);
/** Stands for a multiple of it. */
export const BATCHES = BATCH - 1;

type Translate = (b: Builder, args: readonly Argument[], result: readonly number[]) => string;

const isPort = (value: Argument): value is Port => typeof value === "object" && "port" in value;

function port(value: Argument): Port {
  if (value !== undefined && isPort(value)) return value;
  throw new UsageError(`a tensor is expected where there is ${String(value)}`);
}
const name = (value: Argument) => port(value).port;
const optional = (value: Argument) => (value === undefined ? [] : [name(value)]);
const number = (value: Argument, otherwise = 0) => (value === undefined ? otherwise : Number(value));
const list = (value: Argument) => value as readonly number[];

/** Axes counted from the front. */
const axis = (value: Argument, rank: number) => (number(value) < 0 ? number(value) + rank : number(value));
const axes = (value: Argument, rank: number) => list(value).map((a) => axis(a, rank));

const unary =
  (op: string): Translate =>
  (b, [x]) =>
    b.node(op, [name(x)]);
const same: Translate = (_, [x]) => name(x);

/** Tensor or number on the right; `alpha` multiplies it. */
const binary =
  (op: string): Translate =>
  (b, [x, y, alpha]) => {
    const factor = alpha === undefined ? 1 : number(alpha);
    const right = typeof y === "number" ? b.scalar(y * factor) : name(y);
    const scaled = typeof y !== "number" && factor !== 1 ? b.node("Mul", [right, b.scalar(factor)]) : right;
    return b.node(op, [name(x), scaled]);
  };

const leaky: Translate = (b, [x, slope]) =>
  number(slope, 0.01) === 0
    ? b.node("Relu", [name(x)])
    : b.node("LeakyRelu", [name(x)], { alpha: float(number(slope, 0.01)) });

const batchNorm: Translate = (b, [x, weight, bias, mean, variance, training, , eps]) => {
  if (training === true || mean === undefined) throw new UsageError("batch norm uses the statistics of the batch");
  return b.node("BatchNormalization", [x, weight, bias, mean, variance].map(name), { epsilon: float(number(eps)) });
};

/** Sums and means over axes; without axes over all. */
const reduce =
  (op: string): Translate =>
  (b, [x, over, keep]) => {
    const { port: input, shape } = port(x);
    const wanted = Array.isArray(over) && over.length > 0 ? axes(over, shape.length) : shape.map((_, i) => i);
    if (op === "ReduceSum") return b.node(op, [input, b.ints(wanted)], { keepdims: int(keep === true ? 1 : 0) });
    return b.node(op, [input], { axes: ints(wanted), keepdims: int(keep === true ? 1 : 0) });
  };

/** `result`: the shape at the recorded batch. */
const reshapeTo = (b: Builder, { port: x, batched }: Port, lengths: readonly number[], result: readonly number[]) => {
  // In ONNX 0 copies the length of the same axis, and -1 follows from the others.
  const wanted = lengths.map((n, i) => (n === BATCH && i === 0 && batched ? 0 : n <= BATCH ? -1 : n));
  const open = lengths.filter((_, i) => wanted[i] === -1);
  // Beside a length that grows with the batch, one that was left open does not.
  const whole = open.length > 1 ? wanted.map((n, i) => (n === -1 && lengths[i] === -1 ? result[i]! : n)) : wanted;
  if (whole.filter((n) => n === -1).length > 1)
    throw new UsageError("several lengths depend on the size of the batch, which ONNX cannot express");
  return b.node("Reshape", [x, b.ints(whole)]);
};

const slice = (b: Builder, x: string, at: number, start: number, end: number, step = 1) =>
  b.node("Slice", [x, b.ints([start]), b.ints([end]), b.ints([at]), b.ints([step])]);

const gelu: Translate = (b, [x, approximate]) => {
  if (approximate === "tanh") {
    const cubed = b.node("Mul", [b.node("Pow", [name(x), b.scalar(3)]), b.scalar(0.044715)]);
    const inner = b.node("Mul", [b.node("Add", [name(x), cubed]), b.scalar(Math.sqrt(2 / Math.PI))]);
    return b.node("Mul", [
      b.node("Mul", [name(x), b.scalar(0.5)]),
      b.node("Add", [b.node("Tanh", [inner]), b.scalar(1)]),
    ]);
  }
  const erf = b.node("Erf", [b.node("Div", [name(x), b.scalar(Math.SQRT2)])]);
  return b.node("Mul", [b.node("Mul", [name(x), b.scalar(0.5)]), b.node("Add", [erf, b.scalar(1)])]);
};

/** softmax(q k' / sqrt(D)) v over the last two axes of `[N, heads, T, D]`. */
const attention: Translate = (b, [q, k, v]) => {
  const size = port(q).shape.at(-1)!;
  const scaled = b.node("Mul", [name(q), b.scalar(1 / Math.sqrt(size))]);
  const scores = b.node("MatMul", [scaled, b.node("Transpose", [name(k)], { perm: ints([0, 1, 3, 2]) })]);
  return b.node("MatMul", [b.node("Softmax", [scores], { axis: int(3) }), name(v)]);
};

const conv2d: Translate = (b, [x, weight, bias, stride, padding, dilation, groups]) =>
  b.node("Conv", [name(x), name(weight), ...optional(bias)], {
    kernel_shape: ints(port(weight).shape.slice(2)),
    strides: ints(list(stride)),
    pads: ints([...list(padding), ...list(padding)]),
    dilations: ints(list(dilation)),
    group: int(number(groups, 1)),
  });

const END = 2 ** 53 - 1;

/** By name without "aten::" and without the underscore of the forms in place. */
export const translations: Readonly<Record<string, Translate>> = {
  conv2d,
  "fewlabels::conv2d": (b, [x, weight, padding]) =>
    conv2d(b, [x, weight, undefined, [1, 1], [number(padding), number(padding)], [1, 1], 1], []),
  linear: (b, [x, weight, bias]) => {
    if (port(x).shape.length === 2)
      return b.node("Gemm", [name(x), name(weight), ...optional(bias)], { transB: int(1) });
    const product = b.node("MatMul", [name(x), b.node("Transpose", [name(weight)], { perm: ints([1, 0]) })]);
    return bias === undefined ? product : b.node("Add", [product, name(bias)]);
  },
  matmul: (b, [x, y]) => b.node("MatMul", [name(x), name(y)]),
  "fewlabels::max_pool2x2": (b, [x]) =>
    b.node("MaxPool", [name(x)], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) }),
  max_pool2d: (b, [x, kernel, stride, padding = [0, 0], dilation = [1, 1], ceil]) =>
    b.node("MaxPool", [name(x)], {
      kernel_shape: ints(list(kernel)),
      strides: ints(list(stride)),
      pads: ints([...list(padding), ...list(padding)]),
      dilations: ints(list(dilation)),
      ceil_mode: int(ceil === true ? 1 : 0),
    }),
  constant_pad_nd: (b, [x, pads, value]) => {
    const { port: input, shape } = port(x);
    // libtorch lists pairs from the last axis on, ONNX all beginnings, then all ends. Negative ones crop in both.
    const given = list(pads);
    const side = (end: number) => shape.map((_, i) => given[2 * (shape.length - 1 - i) + end] ?? 0);
    return b.node("Pad", [input, b.ints([...side(0), ...side(1)]), b.scalar(number(value))]);
  },
  batch_norm: batchNorm,
  "fewlabels::batch_norm_leaky_relu": (b, args) => {
    const [, , , , , training, , eps, slope] = args;
    const normal = batchNorm(b, [...args.slice(0, 5), training, undefined, eps], []);
    return leaky(b, [{ ...port(args[0]), port: normal }, slope], []);
  },
  layer_norm: (b, [x, lengths, weight, bias, eps]) => {
    const { port: input, shape } = port(x);
    const from = shape.length - list(lengths).length;
    const gain = weight === undefined ? b.scalar(1) : name(weight);
    return b.node("LayerNormalization", [input, gain, ...optional(bias)], {
      axis: int(from),
      epsilon: float(number(eps, 1e-5)),
    });
  },
  leaky_relu: leaky,
  relu: unary("Relu"),
  sigmoid: unary("Sigmoid"),
  tanh: unary("Tanh"),
  silu: (b, [x]) => b.node("Mul", [name(x), b.node("Sigmoid", [name(x)])]),
  hardtanh: (b, [x, low, high]) => b.node("Clip", [name(x), b.scalar(number(low, -1)), b.scalar(number(high, 1))]),
  hardswish: unary("HardSwish"),
  hardsigmoid: (b, [x]) => b.node("HardSigmoid", [name(x)], { alpha: float(1 / 6), beta: float(0.5) }),
  _scaled_dot_product_attention: attention,
  scaled_dot_product_attention: attention,
  gelu,
  softmax: (b, [x, at]) => b.node("Softmax", [name(x)], { axis: int(axis(at, port(x).shape.length)) }),
  log_softmax: (b, [x, at]) => b.node("LogSoftmax", [name(x)], { axis: int(axis(at, port(x).shape.length)) }),
  neg: unary("Neg"),
  abs: unary("Abs"),
  exp: unary("Exp"),
  log: unary("Log"),
  sqrt: unary("Sqrt"),
  rsqrt: (b, [x]) => b.node("Reciprocal", [b.node("Sqrt", [name(x)])]),
  reciprocal: unary("Reciprocal"),
  pow: (b, [x, exponent]) =>
    b.node("Pow", [name(x), typeof exponent === "number" ? b.scalar(exponent) : name(exponent)]),
  clamp_min: (b, [x, low]) => b.node("Clip", [name(x), b.scalar(number(low))]),
  clamp_max: (b, [x, high]) => b.node("Clip", [name(x), "", b.scalar(number(high))]),
  add: binary("Add"),
  sub: binary("Sub"),
  mul: binary("Mul"),
  div: binary("Div"),
  ge: binary("GreaterOrEqual"),
  where: (b, [condition, x, y]) => b.node("Where", [name(condition), name(x), name(y)]),
  // Values alone.
  topk: (b, [x, k, at, largest = true, sorted = true]) => {
    const [values, places] = [b.fresh("TopK"), b.fresh("places")];
    b.nodes.push({
      op: "TopK",
      inputs: [name(x), b.ints([number(k)])],
      outputs: [values, places],
      attributes: {
        axis: int(axis(at ?? -1, port(x).shape.length)),
        largest: int(largest === true ? 1 : 0),
        sorted: int(sorted === true ? 1 : 0),
      },
      name: values,
    });
    return values;
  },
  zeros_like: (b, [x]) => b.node("Mul", [name(x), b.scalar(0)]),
  maximum: binary("Max"),
  minimum: binary("Min"),
  lerp: (b, [x, y, weight]) => {
    const share = typeof weight === "number" ? b.scalar(weight) : name(weight);
    return b.node("Add", [name(x), b.node("Mul", [share, b.node("Sub", [name(y), name(x)])])]);
  },
  mean: reduce("ReduceMean"),
  sum: reduce("ReduceSum"),
  amax: reduce("ReduceMax"),
  amin: reduce("ReduceMin"),
  adaptive_avg_pool2d: (b, [x, lengths]) => {
    if (list(lengths).some((n) => n !== 1)) throw new UsageError("only an average of all pixels can be exported");
    return b.node("GlobalAveragePool", [name(x)]);
  },
  avg_pool2d: (b, [x, kernel, stride, padding = [0, 0]]) => {
    const steps = Array.isArray(stride) && stride.length > 0 ? stride : list(kernel);
    return b.node("AveragePool", [name(x)], {
      kernel_shape: ints(list(kernel)),
      strides: ints(steps),
      pads: ints([...list(padding), ...list(padding)]),
      count_include_pad: int(1),
    });
  },
  reshape: (b, [x, lengths], result) => reshapeTo(b, port(x), list(lengths), result),
  view: (b, [x, lengths], result) => reshapeTo(b, port(x), list(lengths), result),
  expand: (b, [x, lengths]) => {
    if (list(lengths).includes(BATCHES)) throw new UsageError("expands to a multiple of the batch");
    // libtorch keeps a length at -1, ONNX at 1.
    const wanted = list(lengths).map((n) => (n === -1 ? 1 : n));
    if (!wanted.includes(BATCH)) return b.node("Expand", [name(x), b.ints(wanted)]);
    const pieces = wanted.map((n) => (n === BATCH ? b.batch() : b.ints([n])));
    return b.node("Expand", [name(x), b.node("Concat", pieces, { axis: int(0) })]);
  },
  flatten: (b, [x, start, end], result) => {
    const rank = port(x).shape.length;
    if (axis(start ?? 0, rank) === 1 && axis(end ?? -1, rank) === rank - 1)
      return b.node("Flatten", [name(x)], { axis: int(1) });
    const kept = port(x).batched && axis(start ?? 0, rank) > 0;
    const lengths = result.map((n, i) => (i > 0 ? n : kept ? BATCH : -1));
    return reshapeTo(b, port(x), lengths, result);
  },
  permute: (b, [x, order]) => b.node("Transpose", [name(x)], { perm: ints(axes(order, port(x).shape.length)) }),
  transpose: (b, [x, one, other]) => {
    const rank = port(x).shape.length;
    const perm = port(x).shape.map((_, i) => i);
    const [i, j] = [axis(one, rank), axis(other, rank)];
    [perm[i], perm[j]] = [j, i];
    return b.node("Transpose", [name(x)], { perm: ints(perm) });
  },
  unsqueeze: (b, [x, at]) => b.node("Unsqueeze", [name(x), b.ints([axis(at, port(x).shape.length + 1)])]),
  squeeze: (b, [x, at]) => {
    const { port: input, shape } = port(x);
    const where = axis(at, shape.length);
    return shape[where] === 1 ? b.node("Squeeze", [input, b.ints([where])]) : input;
  },
  narrow: (b, [x, at, start, length]) => {
    const from = number(start);
    const to = from + number(length);
    // Counted from the end, 0 is behind the last.
    return slice(b, name(x), axis(at, port(x).shape.length), from, from < 0 && to >= 0 ? END : to);
  },
  slice: (b, [x, at, start, end, step]) =>
    slice(b, name(x), axis(at, port(x).shape.length), number(start), number(end, END), number(step, 1)),
  select: (b, [x, at, index]) =>
    b.node(
      "Gather",
      [
        name(x),
        b.constant({ type: "int64", shape: [], bytes: new Uint8Array(BigInt64Array.of(BigInt(number(index))).buffer) }),
      ],
      {
        axis: int(axis(at, port(x).shape.length)),
      },
    ),
  cat: (b, [parts, at]) => {
    const ports = parts as readonly Port[];
    return b.node("Concat", ports.map(name), { axis: int(axis(at ?? 0, ports[0]!.shape.length)) });
  },
  stack: (b, [parts, at]) => {
    const ports = parts as readonly Port[];
    const where = axis(at ?? 0, ports[0]!.shape.length + 1);
    return b.node(
      "Concat",
      ports.map((p) => b.node("Unsqueeze", [p.port, b.ints([where])])),
      { axis: int(where) },
    );
  },
  to: (_, [x, dtype]) => {
    // Everything is float32 here; devices and layouts are none of ONNX's business.
    if (dtype === undefined || dtype === "float32") return name(x);
    throw new UsageError(`only float32 can be exported, not ${String(dtype)}`);
  },
  contiguous: same,
  detach: same,
  alias: same,
  clone: same,
};
