import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { DataError, UsageError } from "../../src/errors.js";
import { evaluateRun } from "../../src/inference/evaluate.js";
import { findModel } from "../../src/models/index.js";
import { createModel, type Model, neighbors, withHead } from "../../src/nn/index.js";
import { parseOptions } from "../../src/options.js";
import { Rng } from "../../src/rng.js";
import type { RunResult, TrainEvent } from "../../src/run/events.js";
import {
  type RawDType,
  type RawTensor,
  RunFolder,
  readSafetensors,
  type TensorSource,
  writeSafetensors,
} from "../../src/run/index.js";
import { loadWeights } from "../../src/session/weights.js";
import { describeEngine } from "../support/engine.js";
import "../support/matchers.js";
import {
  checkpointFiles,
  configure,
  continued,
  removeFolder,
  temporaryFolder,
  trainToEnd,
} from "../support/train-run.js";

const folder = temporaryFolder();
afterAll(() => removeFolder(folder));
let files = 0;

const tinyOptions: Readonly<Record<string, Record<string, unknown>>> = {
  efficientnet: { width: 0.25, depth: 0.34 },
  "convnet-tiny": { width: 0.25 },
  "cnn-13": { width: 0.06, norm: "weight" },
};

interface Wanted {
  readonly network?: string;
  readonly seed?: number;
  readonly channels?: number;
  readonly heads?: number;
  readonly more?: Readonly<Record<string, unknown>>;
}

function build(
  numClasses: number,
  { network = "efficientnet", seed = 1, channels = 3, heads = 1, more = {} }: Wanted = {},
): Model {
  const { definition } = findModel(network);
  const options = parseOptions(definition.options, { ...tinyOptions[network], heads, ...more }, network);
  const net = definition.create({ channels, height: 16, width: 16, numClasses }, options);
  return createModel(net, { rng: Rng.fromSeed(seed), precision: "fp32", device: "cpu" });
}

const valuesOf = (model: Model) =>
  new Map([...model.parameters, ...model.buffers].map(({ name, tensor }) => [name, tensor.toNumbers()]));

type Entry = { dtype: RawDType; shape: readonly number[]; values: readonly number[] };

/** Name -> values, as a file; F16 and BF16 by hand from float32 (values must be normal there). */
function write(entries: Readonly<Record<string, Entry>>): string {
  const path = join(folder, `${files++}.safetensors`);
  const sources = Object.entries(entries).map(([name, { dtype, shape, values }]): [string, TensorSource] => {
    const words = Uint32Array.from(new Uint32Array(Float32Array.from(values).buffer));
    const bf16 = Uint16Array.from(words, (w) => w >>> 16);
    const f16 = Uint16Array.from(words, (w) => {
      const exponent = ((w >>> 23) & 255) - 112;
      return exponent <= 0 ? 0 : ((w >>> 16) & 0x8000) | (exponent << 10) | ((w >>> 13) & 1023);
    });
    const array =
      dtype === "F32"
        ? words
        : dtype === "F64"
          ? Float64Array.from(values)
          : dtype === "I64"
            ? BigInt64Array.from(values, BigInt)
            : dtype === "BF16"
              ? bf16
              : f16;
    const { buffer } = array;
    return [name, { dtype, shape, bytes: new Uint8Array(buffer) }];
  });
  writeSafetensors(path, Object.fromEntries(sources));
  return path;
}

function entriesOf(model: Model, dtype: RawDType = "F32"): Record<string, Entry> {
  const list = [...model.parameters, ...model.buffers];
  return Object.fromEntries(
    list.map(({ name, tensor: t }) => [name, { dtype, shape: t.shape, values: t.toNumbers() }]),
  );
}

describeEngine("loadWeights", () => {
  const source = () => build(10, { seed: 7 });

  test("copies every tensor, ignores num_batches_tracked, and has nothing to remark", () => {
    const [from, to] = [source(), build(10)];
    const count: Entry = { dtype: "I64", shape: [], values: [3] };
    const path = write({ ...entriesOf(from), "features.0.1.num_batches_tracked": count });
    expect(valuesOf(to)).not.toEqual(valuesOf(from));
    expect(loadWeights(to, path)).toEqual([]);
    expect(valuesOf(to)).toEqual(valuesOf(from));
  });

  for (const [dtype, bits] of [
    ["F16", 10],
    ["BF16", 7],
    ["F64", 23],
  ] as const) {
    test(`reads ${dtype}`, () => {
      const [from, to] = [source(), build(10)];
      loadWeights(to, write(entriesOf(from, dtype)));
      const loaded = valuesOf(to);
      for (const [name, values] of valuesOf(from)) {
        // Cut off behind `bits` bits; below 2^-14 float16 has no normal numbers (the helper above writes 0).
        const near = (v: number, i: number) =>
          Math.abs(loaded.get(name)![i]! - v) <= Math.abs(v) * 2 ** -bits + 2 ** -14;
        expect(values.every(near), name).toBe(true);
      }
      const largest = Math.max(...[...loaded.values()].map((v) => Math.max(...v.map(Math.abs))));
      expect(largest).toBeGreaterThan(0.5);
    });
  }

  test("a head of another class count stays fresh, with a remark; the rest is loaded", () => {
    const [from, to, untouched] = [build(1000, { seed: 7 }), build(10), build(10)];
    const remarks = loadWeights(to, write(entriesOf(from)));
    expect(remarks).toHaveLength(1);
    expect(remarks[0]).toMatch(/classifier\.1 has 1000 classes there and 10 here/);
    const [loaded, wanted, fresh] = [valuesOf(to), valuesOf(from), valuesOf(untouched)];
    for (const [name, values] of loaded) {
      expect(values, name).toEqual(name.startsWith("classifier.") ? fresh.get(name) : wanted.get(name));
    }
  });

  test.each(["corrected", "zero"])("a head with weight norm (normStart %s) too", (normStart) => {
    const network = "cnn-13";
    const more = { normStart };
    const [from, to] = [build(7, { network, seed: 7, more }), build(10, { network, more })];
    expect(loadWeights(to, write(entriesOf(from)))).toEqual([
      expect.stringMatching(/fc has 7 classes there and 10 here/),
    ]);
    expect(valuesOf(to).get("features.conv1a.conv.weight_v")).toEqual(
      valuesOf(from).get("features.conv1a.conv.weight_v"),
    );
  });

  test("a second head that the file lacks stays fresh, with a remark", () => {
    const [from, to] = [source(), build(10, { heads: 2 })];
    expect(loadWeights(to, write(entriesOf(from)))).toEqual([
      expect.stringMatching(/classifier2\.1 is not in the file/),
    ]);
    expect(valuesOf(to).get("classifier.1.weight")).toEqual(valuesOf(from).get("classifier.1.weight"));
  });

  test("what a knn run leaves is a backbone's: its neighbors are no head of a network that has its own", () => {
    const network = "convnet-tiny";
    const [from, to] = [build(10, { network, seed: 7 }), build(10, { network })];
    const size = from.parameters.find(({ name }) => name === "fc.weight")!.tensor.size(1);
    const kept = withHead(from, "neighbors", neighbors({ count: 5, size, numClasses: 10, most: 3 }));
    const path = write(entriesOf(kept));
    expect([...readSafetensors(path).keys()]).toContain("neighbors.features");
    expect(loadWeights(to, path)).toEqual([expect.stringMatching(/fc is not in the file, so this head starts/)]);
  });

  test("missing, unexpected and mis-shaped names are a DataError that lists them, and nothing is loaded", () => {
    const to = build(10);
    const before = valuesOf(to);
    const entries = entriesOf(build(10, { seed: 7, channels: 1 })); // one input channel
    delete entries["features.1.0.block.1.fc1.bias"];
    entries["features.9.weight"] = { dtype: "F32", shape: [1], values: [1] };
    const path = write(entries);
    expect(() => loadWeights(to, path)).toThrow(DataError);
    expect(() => loadWeights(to, path)).toThrow(
      /1 missing in the file: features\.1\.0\.block\.1\.fc1\.bias; 1 not part of the model: features\.9\.weight; 1 of another shape: features\.0\.0\.weight \(\[8, 1, 3, 3\] there, \[8, 3, 3, 3\] here\)/,
    );
    expect(valuesOf(to)).toEqual(before);
  });

  test("a head of another width is mis-shaped, not fresh; a file without any head is a backbone's", () => {
    const entries = entriesOf(source());
    entries["classifier.1.weight"] = { dtype: "F32", shape: [10, 3], values: Array(30).fill(0) };
    expect(() => loadWeights(build(10), write(entries))).toThrow(/1 of another shape: classifier\.1\.weight/);
    delete entries["classifier.1.weight"];
    delete entries["classifier.1.bias"];
    const [model, before] = [build(10), valuesOf(build(10)).get("classifier.1.weight")];
    expect(loadWeights(model, write(entries))).toEqual([
      expect.stringMatching(/classifier\.1 is not in the file, so this head starts with fresh weights/),
    ]);
    expect(valuesOf(model).get("classifier.1.weight")).toEqual(before);
  });

  test.each(["F32", "F16", "BF16", "F64"] as const)(
    "NaN and infinity in %s are refused, naming where they are",
    (dtype) => {
      for (const bad of [Number.NaN, Number.NEGATIVE_INFINITY]) {
        const entries = entriesOf(source(), dtype);
        const name = Object.keys(entries)[3]!;
        const path = write(entries);
        const tensors = readSafetensors(path);
        const infinity = { F32: [0x80, 0xff], F16: [0x00, 0xfc], BF16: [0x80, 0xff], F64: [0xf0, 0xff] }[dtype];
        const bytes = tensors.get(name)!.bytes.slice();
        bytes.set(Number.isNaN(bad) ? [infinity[0]! + 1, infinity[1]!] : infinity, bytes.length - 2);
        writeSafetensors(path, { ...Object.fromEntries(tensors), [name]: { ...tensors.get(name)!, bytes } });
        const [model, before] = [build(10), valuesOf(build(10))];
        expect(() => loadWeights(model, path)).toThrow("1 of its tensors hold NaN or infinity");
        expect(() => loadWeights(model, path)).toThrow(name);
        expect(valuesOf(model)).toEqual(before);
      }
    },
  );

  test("ConvNeXt's stem follows from the pictures: where that of the file is another, the error says which to give", () => {
    const convnext = (side: number, given: object = {}) => {
      const { definition } = findModel("convnext");
      const options = parseOptions(definition.options, { width: 0.05, depth: 0.3, ...given }, "convnext");
      const net = definition.create({ channels: 3, height: side, width: side, numClasses: 2 }, options);
      return createModel(net, { rng: Rng.fromSeed(1), precision: "fp32", device: "cpu" });
    };
    const [large, small] = [write(entriesOf(convnext(64))), write(entriesOf(convnext(48)))];
    expect(() => loadWeights(convnext(48), large)).toThrow(/add --model.stem 4, .*at least 32 pixels/);
    expect(loadWeights(convnext(48, { stem: "4" }), large)).toEqual([]);
    expect(() => loadWeights(convnext(64), small)).toThrow(/add --model.stem 2/);
  });

  describe("a table of positions", () => {
    /** Positions of patches of 4 pixels, 4 numbers each. */
    const transformer = (height: number, width: number) => {
      const { definition } = findModel("vit");
      const given = { patch: 4, size: 4, layers: 1, attentionHeads: 1 };
      const input = { channels: 3, height, width, numClasses: 2 };
      const net = definition.create(input, parseOptions(definition.options, given, "vit"));
      return createModel(net, { rng: Rng.fromSeed(1), precision: "fp32", device: "cpu" });
    };
    const name = "encoder.pos_embedding";
    const entries = entriesOf(transformer(8, 8));
    /** Of 2 x 2 positions, each of which says its row. */
    const rows = [-1, 0, 0, 1, 1].flatMap((row) => [row, row, row, row]);
    const path = write({ ...entries, [name]: { ...entries[name]!, values: rows } });

    test.each([
      [16, 16],
      [8, 32],
      [12, 16],
      [32, 8],
    ])("of squares is resampled to pictures of %i x %i pixels", (height, width) => {
      const model = transformer(height, width);
      loadWeights(model, path);
      const [first, ...grid] = valuesOf(model)
        .get(name)!
        .filter((_, i) => i % 4 === 0);
      expect(first).toBe(-1);
      const columns = width / 4;
      for (const [i, value] of grid.entries()) expect(value).toBeCloseTo(grid[i - (i % columns)]!, 5);
      expect(grid[0]).toBeLessThan(0.2);
      expect(grid.at(-1)).toBeGreaterThan(0.8);
    });

    test("is taken as it is where the pictures are of the same shape, and refused where that is not clear", () => {
      const model = transformer(8, 8);
      loadWeights(model, path);
      expect(valuesOf(model).get(name)).toEqual(rows);
      expect(() => loadWeights(transformer(4, 16), path)).toThrow(
        /grid.*encoder.pos_embedding \(2 x 2, or 1 x 4 as here/,
      );
      const oblong = transformer(8, 12);
      loadWeights(transformer(8, 12), write(entriesOf(oblong)));
      expect(() => loadWeights(transformer(8, 8), write(entriesOf(oblong)))).toThrow(/1 of another shape: encoder.pos/);
    });
  });

  test("a file that is not there, or none of the format, is a DataError naming it and what it is", () => {
    expect(() => loadWeights(build(10), join(folder, "none.safetensors"))).toThrow(/none\.safetensors: cannot be read/);
    for (const [content, message] of [
      [
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 102540417\n",
        /other\.pth: .*Git LFS.*git lfs pull/,
      ],
      ["<!DOCTYPE html><html><body>Sign in to download</body></html>", /other\.pth: .*a web page/],
      ["file,label\na.png,cat\nb.png,dog\n", /other\.pth: expected weights .*this is text/],
    ] as const) {
      writeFileSync(join(folder, "other.pth"), content);
      expect(() => loadWeights(build(10), join(folder, "other.pth"))).toThrow(message);
    }
  });
});

/** The student's tensors in a run's checkpoint. */
function student(out: string, step: number, owner = "student"): Map<string, string> {
  const file = readSafetensors(join(out, "checkpoints", `step-${step}`, `${owner}.safetensors`));
  return new Map([...file].map(([name, { bytes }]) => [name, Buffer.from(bytes).toString("base64")]));
}

const warningsOf = (events: readonly TrainEvent[]) => events.flatMap((e) => (e.type === "warning" ? [e.message] : []));

describeEngine("a run with --model.weights", () => {
  const base = { method: "mean-teacher", "model.dropout": 0, steps: 3, checkpointEvery: 1, keepCheckpoints: 9 };

  test("starts student and teacher from another run's checkpoint, resumes and evaluates without the file", async () => {
    const [first, second, third] = ["first", "second", "third"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await trainToEnd(configure(first, base));
    const path = join(folder, "own.safetensors");
    renameSync(join(first, "checkpoints", "step-3", "student.safetensors"), path);
    const from = { ...base, seed: 5, steps: 4, "model.weights": path, "optimizer.lr": 0, "method.emaStart": "random" };
    // Learning rate 0: after a step the trained tensors are the loaded ones.
    const loaded = configure(second, from);
    const { events } = await trainToEnd(loaded);
    expect(warningsOf(events).filter((message) => message.includes("fresh"))).toEqual([]);
    const original = new Map([...readSafetensors(path)].map(([n, r]) => [n, Buffer.from(r.bytes).toString("base64")]));
    const after = student(second, 4);
    const trained = [...after.keys()].filter((name) => !name.includes("running_"));
    expect(trained.length).toBeGreaterThan(5);
    for (const name of trained) expect(after.get(name), name).toBe(original.get(name));
    // The teacher was not copied from the student: its average of equal weights is that weight, but for rounding.
    const teacher = readSafetensors(join(second, "checkpoints", "step-4", "teacher.safetensors"));
    const numbers = (raw: RawTensor) => [...new Float32Array(raw.bytes.slice().buffer)];
    for (const name of trained) {
      expect(numbers(teacher.get(name)!)).toBeCloseToTensor(numbers(readSafetensors(path).get(name)!));
    }

    // An interrupted run goes on though the file is gone, to the same bits.
    await trainToEnd(configure(third, from), 2);
    renameSync(path, `${path}.gone`);
    await trainToEnd(continued(third));
    expect(checkpointFiles(third, 4)).toEqual(checkpointFiles(second, 4));
    const { result } = await evaluateRun(third, { split: "test" });
    expect(result.test.student!.error).toBe(RunFolder.open(second).result<RunResult>()!.test.student!.error);
  });

  test("says so when a head starts fresh, once for all roles", async () => {
    const source = build(7, { network: "convnet-tiny", seed: 3 });
    const path = write(entriesOf(source));
    const config = configure(join(folder, "head"), { ...base, "model.weights": path });
    const { events } = await trainToEnd(config);
    const remarks = warningsOf(events).filter((message) => message.includes("fresh"));
    expect(remarks).toEqual([expect.stringMatching(/fc has 7 classes there and 10 here.*fresh/)]);
  });

  test("weights of another network stop it with a DataError before the first step", async () => {
    const path = write(entriesOf(build(10)));
    const config = configure(join(folder, "wrong"), { ...base, "model.weights": path });
    await expect(trainToEnd(config)).rejects.toThrow(DataError);
  });

  test("freeze backbone: all but the head stays bit for bit, running statistics too; the head learns", async () => {
    const path = write(entriesOf(build(10, { network: "convnet-tiny", seed: 3 })));
    const out = join(folder, "frozen");
    await trainToEnd(
      configure(out, { ...base, "model.weights": path, "model.freeze": "backbone", "optimizer.weightDecay": 0.1 }),
    );
    const [original, after] = [readSafetensors(path), student(out, 3)];
    for (const [name, { bytes }] of original) {
      const same = after.get(name) === Buffer.from(bytes).toString("base64");
      expect(same, name).toBe(!name.startsWith("fc."));
    }
    const moments = [...student(out, 3, "optimizer").keys()];
    expect(moments.every((name) => name.includes(".fc."))).toBe(true);
  });

  test("backboneLrFactor 0 leaves the backbone's weights bit for bit, but its statistics follow the data", async () => {
    const path = write(entriesOf(build(10, { network: "convnet-tiny", seed: 3 })));
    const out = join(folder, "slow");
    await trainToEnd(configure(out, { ...base, "model.weights": path, "optimizer.backboneLrFactor": 0 }));
    const [original, after] = [readSafetensors(path), student(out, 3)];
    for (const [name, { bytes }] of original) {
      const same = after.get(name) === Buffer.from(bytes).toString("base64");
      expect(same, name).toBe(!name.startsWith("fc.") && !name.includes("running_"));
    }
  });

  test("freeze without weights is a UsageError", () => {
    expect(() => configure(join(folder, "none"), { "model.freeze": "backbone" })).toThrow(UsageError);
    expect(() => configure(join(folder, "none"), { "model.freeze": "backbone" })).toThrow(/model\.weights FILE/);
  });

  test("the path is kept absolute, so that a run can be resumed from another folder", () => {
    const config = configure(join(folder, "none"), { "model.weights": "some.safetensors" });
    expect(config.modelOptions.weights).toBe(join(process.cwd(), "some.safetensors"));
  });
});
