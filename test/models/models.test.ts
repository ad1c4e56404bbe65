import { expect, test } from "vitest";
import { UsageError } from "../../src/errors.js";
import { findModel, type InputSpec, models } from "../../src/models/index.js";
import { createModel, type Model } from "../../src/nn/index.js";
import { parseOptions } from "../../src/options.js";
import { Rng } from "../../src/rng.js";
import { normal, type Precision, scope } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import "../support/matchers.js";

const photo: InputSpec = { channels: 3, height: 32, width: 32, numClasses: 10 };
const digit: InputSpec = { channels: 1, height: 28, width: 28, numClasses: 10 };

function build(
  name: string,
  input: InputSpec,
  options: Record<string, unknown> = {},
  precision: Precision = "fp32",
): Model {
  const { definition, preset } = findModel(name);
  const net = definition.create(input, parseOptions(definition.options, { ...preset, ...options }, name));
  return createModel(net, { rng: Rng.fromSeed(1), precision, device: "cpu" });
}

const parameterCount = (model: Model) => model.parameters.reduce((sum, { tensor }) => sum + tensor.numel, 0);
const batch = ({ channels, height, width }: InputSpec, rows: number) =>
  normal([rows, channels, height, width], 0, 1, Rng.fromSeed(2));

function release(model: Model): void {
  for (const { tensor } of [...model.parameters, ...model.buffers]) tensor.release();
}

describeEngine("cnn-13", () => {
  const counts: [string, InputSpec, Record<string, unknown>, number][] = [
    ["weight norm, one head", photo, { norm: "weight" }, 3_121_812],
    ["weight norm, two heads", photo, { norm: "weight", heads: 2 }, 3_123_112],
    ["batch norm, one head", photo, { norm: "batch" }, 3_121_802],
    ["weight norm, 100 classes", { ...photo, numClasses: 100 }, { norm: "weight" }, 3_133_512],
  ];
  for (const [what, input, options, count] of counts) {
    test(`${what}: ${count} parameters`, () => {
      const model = build("cnn-13", input, options);
      expect(parameterCount(model)).toBe(count);
      release(model);
    });
  }

  test("is batch norm with one head unless told otherwise", () => {
    const model = build("cnn-13", photo);
    expect(parameterCount(model)).toBe(3_121_802);
    release(model);
  });

  test("width scales every channel count: 0.25 gives 32, 64, 128, 64, 32", () => {
    const model = build("cnn-13", photo, { width: 0.25 });
    const outputs = model.parameters
      .filter(({ tensor }) => tensor.shape.length === 4)
      .map(({ tensor }) => tensor.size(0));
    expect(outputs).toEqual([32, 32, 32, 64, 64, 64, 128, 64, 32]);
    expect(model.parameters.at(-2)!.tensor.shape).toEqual([10, 32]);
    release(model);
  });

  test("images below 12 x 12 are refused, naming the size and what to use", () => {
    expect(() => build("cnn-13", { ...photo, height: 8 })).toThrow(UsageError);
    expect(() => build("cnn-13", { ...photo, height: 8 })).toThrow(/8 x 32.*mlp/);
  });

  test("takes the smallest size it says it takes", () => {
    scope(() => {
      const input = { ...photo, height: 12, width: 12 };
      expect(build("cnn-13", input, { width: 0.05 }).forward(batch(input, 2), "eval").shape).toEqual([2, 10]);
    });
  });
});

describeEngine("every registered model", () => {
  const smaller: Readonly<Record<string, Record<string, unknown>>> = {
    "cnn-13": { width: 0.05 },
    "convnet-tiny": { width: 0.5 },
    efficientnet: { width: 0.25, depth: 0.34 },
    "wide-resnet": { depth: 10, width: 1 },
    "shake-shake-26": { width: 4 },
    resnet: { depth: "18", width: 0.125 },
    "mobilenet-v2": { width: 0.125 },
    "mobilenet-v3": { size: "small", width: 0.125 },
    convnext: { width: 0.125, depth: 0.34 },
    vit: { patch: 4, size: 16, layers: 2, attentionHeads: 2 },
    resnext: { groups: 4, groupWidth: 2, width: 0.125 },
  };
  const small = (name: string) => smaller[name] ?? {};
  const variants = models.flatMap(({ name, options }) => {
    const heads = "heads" in options ? [1, 2] : [1];
    const norms = "norm" in options ? (options.norm!.choices ?? []) : [undefined];
    return heads.flatMap((h) =>
      norms.map((norm) => {
        const given = { ...small(name), ...("heads" in options ? { heads: h } : {}), ...(norm ? { norm } : {}) };
        return { name, given, title: [name, `heads ${h}`, norm].filter(Boolean).join(", ") };
      }),
    );
  });

  for (const { name, given, title } of variants) {
    for (const input of [photo, digit]) {
      test(`${title}: ${input.height}x${input.width}x${input.channels} to [N, K] float32, finite, in train and eval`, () => {
        const model = build(name, input, given);
        scope(() => {
          for (const mode of ["train", "eval", "probe", "init"] as const) {
            const { logits, consistency } = model.forwardHeads(batch(input, 4), mode);
            for (const t of [logits, consistency]) {
              expect([t.shape, t.dtype]).toEqual([[4, 10], "float32"]);
              expect(t.toNumbers().every(Number.isFinite)).toBe(true);
            }
            expect(consistency === logits).toBe(given.heads !== 2);
          }
        });
        release(model);
      });
    }

    test(`${title}: the gradient reaches every parameter`, () => {
      const model = build(name, photo, given);
      scope(() => {
        model.forward(batch(photo, 8), "init"); // as a run does it
        const { logits, consistency } = model.forwardHeads(batch(photo, 8), "train");
        // A mean over rows alone would cancel behind batch norm: weigh the logits unevenly.
        const weights = normal(logits.shape, 0, 1, Rng.fromSeed(4));
        logits.mul(weights).sum().add(consistency.mul(consistency).sum()).backward();
        for (const { name: parameter, tensor } of model.parameters) {
          const norm = tensor.grad?.mul(tensor.grad).sum().sqrt().item() ?? 0;
          expect(norm, parameter).toBeGreaterThan(0);
          expect(Number.isFinite(norm), parameter).toBe(true);
        }
      });
      release(model);
    });

    if (given.heads === 2) {
      test(`${title}: the consistency loss alone reaches the second head, not the first`, () => {
        const model = build(name, photo, given);
        scope(() => {
          model.forward(batch(photo, 8), "init");
          const { consistency } = model.forwardHeads(batch(photo, 8), "train");
          consistency.mul(consistency).sum().backward();
          for (const { name: parameter, tensor } of model.parameters) {
            const reached = (tensor.grad?.toNumbers() ?? []).some((v) => v !== 0);
            expect(reached, parameter).toBe(!/^(fc|classifier)\./.test(parameter));
          }
        });
        release(model);
      });
    }

    test(`${title}: bf16 gives float32 logits near those of fp32, and float32 gradients`, () => {
      const [exact, rough] = [build(name, photo, given), build(name, photo, given, "bf16")];
      scope(() => {
        const x = batch(photo, 8);
        for (const model of [exact, rough]) model.forward(x, "init");
        // At 1 x 1 pixels 8 rows leave batch norm 8 values a channel, which magnifies rounding.
        const mode = /^(resne|mobilenet)/.test(name) ? "eval" : "probe";
        const [a, b] = [exact, rough].map((model) => model.forward(x, mode));
        expect(b!.dtype).toBe("float32");
        const size = Math.max(...a!.toNumbers().map(Math.abs));
        const apart = Math.max(...a!.sub(b!).toNumbers().map(Math.abs));
        expect(apart).toBeLessThan(0.1 * size);
        expect(apart).toBeGreaterThan(0);
        b!.sum().backward();
        expect(rough.parameters.map(({ tensor }) => tensor.grad?.dtype ?? "float32")).toEqual(
          rough.parameters.map(() => "float32"),
        );
        expect(rough.parameters.every(({ tensor }) => tensor.dtype === "float32")).toBe(true);
      });
      release(exact);
      release(rough);
    });
  }

  test("a network that images are too small for says so, whatever their size", () => {
    for (const { name } of models) {
      for (const side of [1, 2, 3, 5, 8]) {
        const input = { channels: 2, height: side, width: side, numClasses: 2 };
        try {
          const model = build(name, input, small(name));
          scope(() => void model.forward(batch(input, 2), "eval"));
          release(model);
        } catch (error) {
          expect(error, `${name} at ${side}: ${String(error)}`).toBeInstanceOf(UsageError);
        }
      }
    }
  });

  test("dropout and noise of the options act in train, and the pass can replace them", () => {
    for (const name of ["cnn-13", "convnet-tiny"]) {
      const quiet = build(name, photo, { ...small(name), dropout: 0, inputNoise: 0 });
      const loud = build(name, photo, small(name));
      scope(() => {
        const x = batch(photo, 4);
        const run = (model: Model, more = {}) =>
          model.forward(x, { mode: "train", updateStatistics: false, ...more }).toNumbers();
        expect(run(quiet)).toEqual(run(quiet));
        expect(run(loud)).not.toEqual(run(loud));
        const still = { dropout: 0, inputNoise: 0 };
        expect(run(loud, still)).toEqual(run(loud, still));
        expect(run(loud, { dropout: 0 })).not.toEqual(run(loud, { dropout: 0 })); // noise is left
        expect(run(loud, { inputNoise: 0 })).not.toEqual(run(loud, { inputNoise: 0 })); // dropout is left
      });
      release(quiet);
      release(loud);
    }
  });
});

describeEngine("weight norm in depth", () => {
  test("after init every layer's pre-activations have mean 0 and variance 1, running means are still 0", () => {
    const model = build("cnn-13", photo, { norm: "weight", width: 0.1, dropout: 0, inputNoise: 0 });
    const x = batch(photo, 16);
    scope(() => {
      const { logits } = { logits: model.forward(x, "init") };
      const columns = [...Array(10).keys()].map((k) => logits.select(1, k).toNumbers());
      for (const column of columns) {
        const mean = column.reduce((a, b) => a + b, 0) / column.length;
        const variance = column.reduce((a, b) => a + (b - mean) ** 2, 0) / column.length;
        expect(mean).toBeCloseTo(0, 4);
        expect(variance).toBeCloseTo(1, 2);
      }
      for (const { tensor } of model.buffers) expect(tensor.toNumbers().every((v) => v === 0)).toBe(true);
      // The same pass again, now with the gains set, gives the same logits: init standardizes what train then sees.
      expect(model.forward(x, "probe").toNumbers()).toBeCloseToTensor(logits.toNumbers(), { rtol: 1e-4, atol: 1e-4 });
      const gains = model.parameters.filter(({ name }) => name.endsWith("weight_g"));
      expect(gains).toHaveLength(10);
      for (const { name, tensor } of gains) expect(new Set(tensor.toNumbers()).size, name).toBeGreaterThan(1);
    });
    release(model);
  });
});

describeEngine("the registry", () => {
  test("finds presets with their options, and names the nearest of an unknown one", () => {
    expect(findModel("mlp-two-moons")).toMatchObject({ preset: { hidden: 8, depth: 2 } });
    expect(() => findModel("cnn-31")).toThrow(/unknown model "cnn-31".*cnn-13/);
  });

  test("the two-moons perceptron is 2-8-8-2", () => {
    const model = build("mlp-two-moons", { channels: 2, height: 1, width: 1, numClasses: 2 });
    expect(model.parameters.map(({ tensor }) => tensor.shape.join("x"))).toEqual(["8x2", "8", "8x8", "8", "2x8", "2"]);
    release(model);
  });
});
