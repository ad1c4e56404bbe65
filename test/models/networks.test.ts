// The residual networks: parameter counts of methods.md sections 3 and 7, shapes, variants.
import { expect, test } from "vitest";
import { UsageError } from "../../src/errors.js";
import { findModel, type InputSpec, models } from "../../src/models/index.js";
import { createModel, type Model, namedParameters, withoutValues } from "../../src/nn/index.js";
import { parseOptions } from "../../src/options.js";
import { Rng } from "../../src/rng.js";
import { cat, constantPad2d, conv2d, leakyRelu, maxPool2d, normal, scope, type Tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import "../support/matchers.js";
import { fill, relativeError } from "../support/torchvision.js";

type Options = Record<string, unknown>;

const image = (size: number, numClasses: number): InputSpec => ({ channels: 3, height: size, width: size, numClasses });
const cifar = image(32, 10);
const imagenet = image(224, 1000);

function create(name: string, input: InputSpec, options: Options = {}) {
  const { definition, preset } = findModel(name);
  return definition.create(input, parseOptions(definition.options, { ...preset, ...options }, name));
}

function build(name: string, input: InputSpec, options: Options = {}, seed = 1): Model {
  return createModel(create(name, input, options), { rng: Rng.fromSeed(seed), precision: "fp32", device: "cpu" });
}

const batch = ({ channels, height, width }: InputSpec, rows: number, seed = 2) =>
  normal([rows, channels, height, width], 0, 1, Rng.fromSeed(seed));

function release(model: Model): void {
  for (const { tensor } of [...model.parameters, ...model.buffers]) tensor.release();
}

/** The table of 3.4 summed up: 3x3 stem, blocks of two 3x3 convolutions and two batch norms, 1x1 shortcuts, dense. */
function slowWideResnetCount(channels: readonly number[], blocks: number, numClasses: number): number {
  let total = 27 * channels[0]!;
  for (let g = 1; g < channels.length; g++) {
    for (let i = 0; i < blocks; i++) {
      const [from, to] = [i === 0 ? channels[g - 1]! : channels[g]!, channels[g]!];
      total += 2 * from + 9 * from * to + 2 * to + 9 * to * to + (i === 0 ? from * to : 0);
    }
  }
  const last = channels.at(-1)!;
  return total + 2 * last + last * numClasses + numClasses;
}

describeEngine("parameters, as methods.md counts them", () => {
  const cifar100 = image(32, 100);
  const counts: [string, InputSpec, Options, number][] = [
    ["shake-shake-26-2x96d", cifar, { heads: 2 }, 26_197_316],
    ["shake-shake-26-2x96d", cifar, {}, 26_193_466],
    ["shake-shake-26-2x32d", cifar, { shortcutBias: false }, 2_923_130],
    ["resnext-152", imagenet, {}, 62_000_400], // two heads
    ["resnext-152", imagenet, { heads: 1 }, 59_951_400],
    ["wrn-28-2", cifar, {}, 1_467_610],
    ["wrn-28-2", cifar, { variant: "fm", convBias: "all" }, 1_469_642],
    ["wrn-28-2", cifar, { variant: "uda" }, 1_467_610],
    ["wrn-28-2", cifar, { variant: "gmpl" }, 1_472_170],
    ["wrn-28-2", cifar, { variant: "torch-legacy" }, 1_467_610],
    ["wrn-28-2", cifar, { variant: "torch-legacy", convBias: "stem" }, 1_467_626],
    ["wrn-28-2", cifar100, {}, 1_479_220],
    ["wrn-28-8", cifar100, {}, 23_401_012],
    ["wrn-28-10", cifar, {}, 36_479_194],
    ["resnet-50", imagenet, {}, 25_557_032],
    // Not in methods.md: torchvision's own counts.
    ["resnet-18", imagenet, {}, 11_689_512],
    ["resnet-34", imagenet, {}, 21_797_672],
    ["resnet-101", imagenet, {}, 44_549_160],
    ["resnet-152", imagenet, {}, 60_192_808],
    ["resnext-50", imagenet, {}, 25_028_904],
    ["wrn-37-2", image(96, 10), {}, slowWideResnetCount([16, 32, 64, 128, 256], 4, 10)],
  ];
  for (const [name, input, options, count] of counts) {
    test(`${name} ${JSON.stringify(options)}, ${input.numClasses} classes: ${count}`, () => {
      const parameters = namedParameters(withoutValues(() => create(name, input, options)));
      expect(parameters.reduce((sum, { tensor }) => sum + tensor.numel, 0)).toBe(count);
      for (const { tensor } of parameters) tensor.release();
    });
  }
});

test("what batch norm adds to the variance is above 0: a constant channel would be divided by it", () => {
  for (const name of ["wide-resnet", "resnet", "resnext", "efficientnet"]) {
    expect(() => create(name, cifar, { normEps: 0 })).toThrow(/a number of at least 1e-12 for normEps, got 0/);
  }
});

test("presets take no option that their architecture does not have", () => {
  for (const { name, options, presets } of models) {
    for (const [preset, given] of Object.entries(presets)) {
      expect(() => parseOptions(options, given, `${name}: ${preset}`)).not.toThrow();
    }
  }
});

/** 2-norm of each gradient after sum(weights * logits), by name. */
function gradientNorms(model: Model, input: InputSpec, rows: number, mode: "train" | "eval"): Map<string, number> {
  return scope(() => {
    const { logits, consistency } = model.forwardHeads(batch(input, rows), mode);
    const weights = normal(logits.shape, 0, 1, Rng.fromSeed(4)); // a mean over rows would cancel behind batch norm
    logits.mul(weights).sum().add(consistency.mul(consistency).sum()).backward();
    return new Map(
      model.parameters.map(({ name, tensor: { grad } }) => [name, grad ? grad.mul(grad).sum().sqrt().item() : 0]),
    );
  });
}

describeEngine("wide-resnet variants", () => {
  const small = (options: Options) => build("wide-resnet", cifar, { depth: 16, width: 2, ...options });

  for (const variant of ["fm", "uda", "gmpl"]) {
    test(`${variant}: the gradient reaches every parameter`, () => {
      const model = small({ variant });
      for (const [name, norm] of gradientNorms(model, cifar, 4, "train")) expect(norm, name).toBeGreaterThan(0);
      release(model);
    });
  }

  test("torch-legacy: exactly the first batch norms of groups 2 and 3 get no gradient", () => {
    const model = small({ variant: "torch-legacy" });
    const without = [...gradientNorms(model, cifar, 4, "train")].filter(([, norm]) => norm === 0).map(([name]) => name);
    expect(without).toEqual(["layer2.0.bn1.weight", "layer2.0.bn1.bias", "layer3.0.bn1.weight", "layer3.0.bn1.bias"]);
    release(model);
  });

  test("in eval mode each variant is the network of the table, worked out with plain operators", () => {
    for (const variant of ["fm", "uda", "gmpl", "torch-legacy"] as const) {
      for (const padding of ["torch", "tf"] as const) {
        const model = small({ variant, padding, convBias: "all" });
        fill(model);
        scope(() => {
          const x = batch(cifar, 2);
          const got = model.forward(x, "eval").toNumbers();
          expect(relativeError(got, plainWideResnet(model, x, variant, padding).toNumbers()), variant).toBeLessThan(
            1e-5,
          );
        });
        release(model);
      }
    }
  });

  test("a depth that does not fit the groups is refused, naming one that does", () => {
    expect(() => create("wide-resnet", cifar, { depth: 27 })).toThrow(/such as 28 for depth with 3 groups, got 27/);
  });
});

/** methods.md 3.4 read off column by column; depth 16 (two blocks a group), weights by name. */
function plainWideResnet(model: Model, x: Tensor, variant: string, padding: "torch" | "tf"): Tensor {
  const t = new Map([...model.parameters, ...model.buffers].map(({ name, tensor }) => [name, tensor]));
  const slope = variant === "uda" ? 0 : variant === "gmpl" ? 0.2 : 0.1;
  const eps = variant === "uda" || variant === "torch-legacy" ? 1e-5 : 1e-3;
  const act = (h: Tensor, name: string) => {
    const [mean, variance] = [t.get(`${name}.running_mean`)!, t.get(`${name}.running_var`)!];
    const channels = (v: Tensor) => v.reshape([1, -1, 1, 1]);
    const scaled = h.sub(channels(mean)).mul(channels(variance.add(eps).rsqrt()));
    return leakyRelu(scaled.mul(channels(t.get(`${name}.weight`)!)).add(channels(t.get(`${name}.bias`)!)), slope);
  };
  const conv = (h: Tensor, name: string, stride: number) => {
    const weight = t.get(`${name}.weight`)!;
    const wide = weight.size(2) === 3;
    const bias = t.get(`${name}.bias`);
    if (wide && stride === 2 && padding === "tf") {
      return conv2d(constantPad2d(h, { left: 0, right: 1, top: 0, bottom: 1 }, 0), weight, { bias, stride });
    }
    return conv2d(h, weight, { bias, stride, padding: wide ? 1 : 0 });
  };
  let h = conv(x, "conv1", 1);
  for (const group of [1, 2, 3]) {
    for (const i of [0, 1]) {
      const at = `layer${group}.${i}`;
      const stride = i === 0 && group > 1 ? 2 : 1;
      const o = act(h, `${at}.bn1`);
      const legacy = variant === "torch-legacy" && i === 0 && group > 1;
      const inner = act(conv(legacy ? h : o, `${at}.conv1`, stride), `${at}.bn2`);
      const raw = variant === "uda" || (variant !== "gmpl" && group > 1);
      const shortcut = t.has(`${at}.shortcut.weight`) ? conv(raw ? h : o, `${at}.shortcut`, stride) : h;
      h = shortcut.add(conv(inner, `${at}.conv2`, 1));
    }
  }
  const pooled = act(h, "bn").mean([2, 3]);
  return pooled.matmul(t.get("fc.weight")!.transpose(0, 1)).add(t.get("fc.bias")!);
}

describeEngine("shake-shake-26", () => {
  const tiny = image(8, 10);
  const small = (options: Options = {}) => build("shake-shake-26", tiny, { width: 4, ...options });

  for (const shortcut of ["mt", "ss"]) {
    test(`${shortcut}: the gradient reaches every parameter, of both heads`, () => {
      const model = small({ shortcut, heads: 2 });
      const norms = gradientNorms(model, tiny, 4, "train");
      expect([...norms.keys()].filter((name) => name.startsWith("fc2."))).toHaveLength(2);
      // (A bias before batch norm, as in the strided shortcuts of mt, has no gradient but rounding.)
      for (const [name, norm] of norms)
        expect(norm, name).toBeGreaterThan(name.endsWith("downsample.conv.bias") ? -1 : 1e-5);
      release(model);
    });

    test(`${shortcut}: in eval mode it is the network of methods.md 3.2, worked out with plain operators`, () => {
      const model = small({ shortcut });
      fill(model);
      scope(() => {
        const x = batch(tiny, 2);
        const got = model.forward(x, "eval").toNumbers();
        expect(relativeError(got, plainShakeShake(model, x, shortcut).toNumbers())).toBeLessThan(1e-5);
      });
      release(model);
    });
  }

  test("is random in train mode, and repeats itself from the same generator; eval and probe are not random", () => {
    const model = small();
    const run = (mode: "train" | "eval" | "probe", seed: number) =>
      scope(() =>
        model.forward(batch(tiny, 4), { mode, rng: Rng.fromSeed(seed), updateStatistics: false }).toNumbers(),
      );
    expect(run("train", 1)).toEqual(run("train", 1));
    expect(run("train", 1)).not.toEqual(run("train", 2));
    for (const mode of ["eval", "probe"] as const) expect(run(mode, 1)).toEqual(run(mode, 2));
    release(model);
  });

  test("forward even and backward even leave nothing random", () => {
    const model = small({ forward: "even", backward: "even" });
    scope(() => {
      const run = (mode: "train" | "probe") =>
        model.forward(batch(tiny, 4), { mode, updateStatistics: false }).toNumbers();
      expect(run("train")).toEqual(run("train"));
      expect(run("train")).toBeCloseToTensor(run("probe"), { rtol: 1e-5, atol: 1e-6 });
    });
    release(model);
  });

  test("sizes that the even and odd grids of mt do not fit are refused; ss takes them", () => {
    expect(() => create("shake-shake-26", image(30, 10))).toThrow(/30 x 30.*shortcut ss/);
    const model = build("shake-shake-26", image(30, 10), { width: 4, shortcut: "ss" });
    scope(() => expect(model.forward(batch(image(30, 10), 2), "eval").shape).toEqual([2, 10]));
    release(model);
  });

  test("an odd width has no halves for the shortcuts of ss and is refused, naming both options", () => {
    for (const width of [1, 3, 33]) {
      const odd = () => create("shake-shake-26", tiny, { width, shortcut: "ss" });
      expect(odd).toThrow(UsageError);
      expect(odd).toThrow(
        new RegExp(`an even number for width with shortcut ss, got ${width}\\. .*--model.width ${width + 1}`),
      );
      release(build("shake-shake-26", tiny, { width })); // mt takes it
    }
  });
});

/** methods.md 3.2 with gates of 1/2; weights by name. */
function plainShakeShake(model: Model, x: Tensor, form: string): Tensor {
  const t = new Map([...model.parameters, ...model.buffers].map(({ name, tensor }) => [name, tensor]));
  const conv = (h: Tensor, name: string, stride = 1, groups = 1) => {
    const weight = t.get(`${name}.weight`)!;
    return conv2d(h, weight, { bias: t.get(`${name}.bias`), stride, groups, padding: weight.size(2) === 3 ? 1 : 0 });
  };
  const norm = (h: Tensor, name: string) => {
    const channels = (key: string) => t.get(`${name}.${key}`)!.reshape([1, -1, 1, 1]);
    const scaled = h.sub(channels("running_mean")).div(channels("running_var").add(1e-5).sqrt());
    return scaled.mul(channels("weight")).add(channels("bias"));
  };
  /** Rows and columns first, first + 2, ... of `[N, C, H, W]`, zeros outside, one by one. */
  const grid = (h: Tensor, first: number, step: number) => {
    const lines = (m: Tensor, axis: number) => {
      const count = Math.ceil(m.size(axis) / step);
      const line = (i: number) =>
        first + i * step < 0 ? m.narrow(axis, 0, 1).mul(0) : m.narrow(axis, first + i * step, 1);
      return cat(
        Array.from({ length: count }, (_, i) => line(i)),
        axis,
      );
    };
    return lines(lines(h, 2), 3);
  };
  let h = conv(x, "conv1");
  if (form === "ss") h = norm(h, "bn1");
  for (const stage of [1, 2, 3]) {
    for (const i of [0, 1, 2, 3]) {
      const at = `layer${stage}.${i}`;
      const stride = stage > 1 && i === 0 ? 2 : 1;
      const branch = (name: string) =>
        norm(
          conv(norm(conv(h.relu(), `${at}.${name}.conv1`, stride), `${at}.${name}.bn1`).relu(), `${at}.${name}.conv2`),
          `${at}.${name}.bn2`,
        );
      let shortcut = h;
      if (i === 0 && form === "ss") {
        const paths = [
          conv(grid(h.relu(), 0, stride), `${at}.downsample.conv1`),
          conv(grid(h.relu(), -1, stride), `${at}.downsample.conv2`),
        ];
        shortcut = norm(cat(paths, 1), `${at}.downsample.bn`);
      } else if (i === 0 && stride === 1) {
        shortcut = norm(conv(h, `${at}.downsample.conv`), `${at}.downsample.bn`);
      } else if (i === 0) {
        const weight = t.get(`${at}.downsample.conv.weight`)!; // [2 C, C, 1, 1]: the first half reads the even grid
        const bias = t.get(`${at}.downsample.conv.bias`)!;
        const half = weight.size(0) / 2;
        const halves = [0, 1].map((k) =>
          conv2d(grid(h, k, 2).relu(), weight.narrow(0, k * half, half), { bias: bias.narrow(0, k * half, half) }),
        );
        shortcut = norm(cat(halves, 1), `${at}.downsample.bn`);
      }
      h = shortcut.add(branch("a").add(branch("b")).mul(0.5));
    }
  }
  if (form === "ss") h = h.relu();
  return h.mean([2, 3]).matmul(t.get("fc.weight")!.transpose(0, 1)).add(t.get("fc.bias")!);
}

describeEngine("resnet and resnext", () => {
  const size = image(64, 10);

  test("padding tf is TensorFlow's SAME: at stride 2 the odd zero comes after", () => {
    for (const depth of ["18", "50"]) {
      const model = build("resnet", size, { depth, width: 0.25, padding: "tf" });
      fill(model);
      scope(() => {
        const x = batch(size, 2);
        const plain = plainResnet(model, x, depth === "18" ? [2, 2, 2, 2] : [3, 4, 6, 3]).toNumbers();
        expect(relativeError(model.forward(x, "eval").toNumbers(), plain)).toBeLessThan(1e-5);
      });
      const torch = build("resnet", size, { depth, width: 0.25 });
      fill(torch);
      const [a, b] = [model, torch].map((m) => scope(() => m.forward(batch(size, 2), "eval").toNumbers()));
      expect(relativeError(a!, b!)).toBeGreaterThan(0.001);
      for (const m of [model, torch]) release(m);
    }
  });

  test("zeroGamma starts exactly the last gain of each block at 0", () => {
    const model = build("resnet", size, { depth: "18", width: 0.125, zeroGamma: true });
    const gains = model.parameters.filter(({ name }) => /bn\d\.weight$/.test(name));
    for (const { name, tensor } of gains) {
      expect([name, new Set(tensor.toNumbers())]).toEqual([name, new Set([name.endsWith(".bn2.weight") ? 0 : 1])]);
    }
    release(model);
  });

  test("two heads: the second has its own weights and the first keeps torchvision's names", () => {
    const model = build("resnext", size, { groups: 4, groupWidth: 2, width: 0.125, heads: 2 });
    expect(model.parameters.slice(-4).map(({ name }) => name)).toEqual([
      "fc.weight",
      "fc.bias",
      "fc2.weight",
      "fc2.bias",
    ]);
    release(model);
  });
});

/** TensorFlow's ResNet: methods.md 3.5, with its paddings written out for sizes that 64 pixels give. */
function plainResnet(model: Model, x: Tensor, counts: readonly number[]): Tensor {
  const t = new Map([...model.parameters, ...model.buffers].map(({ name, tensor }) => [name, tensor]));
  const margins = (before: number, after: number) => ({ left: before, right: after, top: before, bottom: after });
  const conv = (h: Tensor, name: string, stride: number) => {
    const weight = t.get(`${name}.weight`)!;
    const kernel = weight.size(2);
    const [before, after] = kernel === 1 ? [0, 0] : kernel === 7 ? [2, 3] : stride === 2 ? [0, 1] : [1, 1];
    return conv2d(constantPad2d(h, margins(before, after), 0), weight, { stride });
  };
  const norm = (h: Tensor, name: string) => {
    const channels = (key: string) => t.get(`${name}.${key}`)!.reshape([1, -1, 1, 1]);
    const scaled = h.sub(channels("running_mean")).div(channels("running_var").add(1e-5).sqrt());
    return scaled.mul(channels("weight")).add(channels("bias"));
  };
  let h = norm(conv(x, "conv1", 2), "bn1").relu();
  h = maxPool2d(constantPad2d(h, margins(0, 1), -1e30), 3, 2);
  for (const [stage, count] of counts.entries()) {
    for (let i = 0; i < count; i++) {
      const at = `layer${stage + 1}.${i}`;
      const stride = i === 0 && stage > 0 ? 2 : 1;
      const deep = t.has(`${at}.conv3.weight`);
      let o = norm(conv(h, `${at}.conv1`, deep ? 1 : stride), `${at}.bn1`).relu();
      o = norm(conv(o, `${at}.conv2`, deep ? stride : 1), `${at}.bn2`);
      if (deep) o = norm(conv(o.relu(), `${at}.conv3`, 1), `${at}.bn3`);
      const changed = t.has(`${at}.downsample.0.weight`);
      h = o.add(changed ? norm(conv(h, `${at}.downsample.0`, stride), `${at}.downsample.1`) : h).relu();
    }
  }
  return h.mean([2, 3]).matmul(t.get("fc.weight")!.transpose(0, 1)).add(t.get("fc.bias")!);
}

describeEngine("fresh weights and settings", () => {
  const deviation = (values: readonly number[]) => Math.sqrt(values.reduce((s, v) => s + v * v, 0) / values.length);

  test("convolutions start as N(0, 2 / (k k out))", () => {
    const layers: [string, Options, string][] = [
      ["wide-resnet", { depth: 10, width: 4 }, "layer3.0.conv2.weight"],
      ["shake-shake-26", { width: 32 }, "layer3.0.a.conv2.weight"],
      ["resnet", { depth: "18" }, "layer4.0.conv2.weight"],
      ["resnext", {}, "layer4.0.conv2.weight"],
    ];
    for (const [name, options, layer] of layers) {
      const model = build(name, cifar, options);
      const { tensor } = model.parameters.find((p) => p.name === layer)!;
      const expected = Math.sqrt(2 / (9 * tensor.size(0)));
      expect(deviation(tensor.toNumbers()) / expected, name).toBeCloseTo(1, 1);
      release(model);
    }
  });

  test("wide-resnet's dense layer: normal with 2 / (in + out) for fm, uniform within 1 / sqrt(K) for uda and gmpl; bias 0", () => {
    for (const variant of ["fm", "torch-legacy", "uda", "gmpl"]) {
      const model = build("wide-resnet", image(32, 100), { depth: 10, width: 4, variant });
      const [weight, bias] = model.parameters.slice(-2).map(({ tensor }) => tensor.toNumbers());
      const uniform = variant === "uda" || variant === "gmpl";
      const expected = uniform ? 0.1 / Math.sqrt(3) : Math.sqrt(2 / (256 + 100));
      expect(deviation(weight!) / expected, variant).toBeCloseTo(1, 1);
      if (uniform) expect(weight!.every((v) => Math.abs(v) <= 0.1)).toBe(true);
      else expect(weight!.some((v) => Math.abs(v) > 2.5 * expected)).toBe(true);
      expect(new Set(bias)).toEqual(new Set([0]));
      release(model);
    }
  });

  test("each variant keeps its share of the running statistics: 0.999, uda 0.9, gmpl 0.99; the option overrides", () => {
    const movedBy = (options: Options) => {
      const model = build("wide-resnet", cifar, { depth: 10, width: 1, ...options });
      scope(() => model.forward(batch(cifar, 4), "train"));
      const [conv1, mean] = ["conv1.weight", "layer1.0.bn1.running_mean"].map(
        (wanted) => [...model.parameters, ...model.buffers].find(({ name }) => name === wanted)!.tensor,
      );
      const share = scope(() => {
        const batchMean = conv2d(batch(cifar, 4), conv1!, { padding: 1 }).mean([0, 2, 3]);
        return mean!.div(batchMean).select(0, 0).item();
      });
      release(model);
      return share;
    };
    expect(movedBy({})).toBeCloseTo(0.001, 5);
    expect(movedBy({ variant: "torch-legacy" })).toBeCloseTo(0.001, 5);
    expect(movedBy({ variant: "uda" })).toBeCloseTo(0.1, 4);
    expect(movedBy({ variant: "gmpl" })).toBeCloseTo(0.01, 5);
    expect(movedBy({ normKeep: 0.75 })).toBeCloseTo(0.25, 4);
  });

  test("dropout stands before the last layer: on in train mode alone, and the pass can replace it", () => {
    for (const [name, options] of [
      ["wide-resnet", { depth: 10, width: 1 }],
      ["resnet", { depth: "18", width: 0.125 }],
    ] as [string, Options][]) {
      const model = build(name, cifar, { ...options, dropout: 0.5 });
      const x = batch(cifar, 4).keep();
      const run = (more: object) =>
        scope(() => model.forward(x, { mode: "train", updateStatistics: false, ...more }).toNumbers());
      expect(run({})).not.toEqual(run({}));
      expect(run({ dropout: 0 })).toEqual(run({ dropout: 0 }));
      expect(run({ mode: "probe" })).toEqual(run({ mode: "probe" }));
      x.release();
      release(model);
    }
  });
});

describeEngine("activation checkpointing", () => {
  test("repeats the gates of shake-shake: the same logits, gradients apart by rounding only", () => {
    const run = (recompute: boolean) => {
      const net = create("shake-shake-26", image(8, 10), { width: 4 });
      const model = createModel(net, { rng: Rng.fromSeed(1), precision: "fp32", device: "cpu", recompute });
      const found = scope(() => {
        const logits = model.forward(batch(image(8, 10), 4), "train");
        logits.mul(logits).sum().backward();
        // A bias before batch norm has no gradient but rounding.
        const trained = model.parameters.filter(({ name }) => !name.endsWith("downsample.conv.bias"));
        return [logits.toNumbers(), ...trained.map(({ tensor }) => tensor.grad!.toNumbers())];
      });
      release(model);
      return found;
    };
    const [again, kept] = [run(true), run(false)];
    expect(again[0]).toEqual(kept[0]);
    expect(Math.max(...again.map((values, i) => relativeError(values, kept[i]!)))).toBeLessThan(1e-5);
  });
});
