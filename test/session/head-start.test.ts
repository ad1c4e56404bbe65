// Heads that start from class means, in methods with a teacher and in those with thresholds: whose they are, and how sure.
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { findModel } from "../../src/models/index.js";
import { createModel, type Model } from "../../src/nn/index.js";
import { parseOptions } from "../../src/options.js";
import { Rng } from "../../src/rng.js";
import { writeSafetensors } from "../../src/run/index.js";
import { openSession } from "../../src/session/session.js";
import { noGrad, scope } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import "../support/matchers.js";
import { configure, removeFolder, temporaryFolder, trainToEnd } from "../support/train-run.js";

const folder = temporaryFolder();
afterAll(() => removeFolder(folder));
const weights = join(folder, "backbone.safetensors");

/** Weights with a head of seven classes, which digits have not. */
function writeBackbone(path: string, name: string, given: Readonly<Record<string, unknown>>): Model {
  const { definition } = findModel(name);
  const options = parseOptions(definition.options, given, name);
  const net = definition.create({ channels: 3, height: 16, width: 16, numClasses: 7 }, options);
  const model = createModel(net, { rng: Rng.fromSeed(5), precision: "fp32", device: "cpu" });
  const tensors = [...model.parameters, ...model.buffers].map(({ name, tensor }) => {
    const bytes = () => {
      const { buffer, byteOffset, byteLength } = tensor.float().toArray();
      return new Uint8Array(buffer, byteOffset, byteLength);
    };
    return [name, { dtype: "F32", shape: tensor.shape, bytes }] as const;
  });
  writeSafetensors(path, Object.fromEntries(tensors));
  return model;
}

const given = (method: string, temperature: number) => ({
  method,
  steps: 2,
  "model.weights": weights,
  "model.headStart": "means",
  "model.headTemperature": temperature,
});

describeEngine("a head from class means", () => {
  writeBackbone(weights, "convnet-tiny", { width: 0.25 });

  /** Logits of each role for the labeled images, before the first step. */
  const start = async (method: string, temperature: number) => {
    const session = await openSession(configure(join(folder, "unused"), given(method, temperature)));
    const { data, method: made } = session;
    const { student, teacher } = made.models;
    const found = noGrad(() =>
      scope(() => {
        const x = Object.values(session.batches.batch(0).labeled.x)[0]!;
        const logitsOf = (model: Model) => model.forward(x, "eval").toNumbers();
        return { student: logitsOf(student!), teacher: logitsOf(teacher!) };
      }),
    );
    data.release();
    return found;
  };

  test.each(["fixmatch", "freematch", "softmatch", "mean-teacher"])(
    "%s: student and teacher start alike, and half the temperature is twice the logits",
    async (method) => {
      const [warm, cold] = [await start(method, 0.1), await start(method, 0.05)];
      expect(warm.teacher).toEqual(warm.student);
      expect(Math.max(...warm.student)).toBeGreaterThan(2); // a fresh head's are far below 1
      expect(cold.student).toBeCloseToTensor(
        warm.student.map((z) => 2 * z),
        { rtol: 1e-4, atol: 1e-4 },
      );
    },
  );

  test("the colder the head, the more pseudo-labels pass the threshold at once", async () => {
    const kept = async (temperature: number) => {
      const config = configure(join(folder, `kept-${temperature}`), given("fixmatch", temperature));
      const { events } = await trainToEnd(config);
      const first = events.find((event) => event.type === "step");
      return first?.type === "step" ? Number(first.metrics.kept) : Number.NaN;
    };
    expect(await kept(1)).toBe(0);
    expect(await kept(0.005)).toBeGreaterThan(0.3);
  });

  test("a temperature without such a head is refused, saying what to add", async () => {
    const random = configure(join(folder, "x"), { ...given("fixmatch", 0.2), "model.headStart": "random" });
    await expect(openSession(random)).rejects.toThrow(/headTemperature.*--model.head-start means/);
    expect(() => configure(join(folder, "y"), { method: "fixmatch", "model.headTemperature": 0.2 })).toThrow(
      /has no effect.*model.weights/,
    );
  });
});

describeEngine("a fresh head with weight norm on loaded weights", () => {
  const path = join(folder, "weight-norm.safetensors");
  // Gains of 1, of a network that no pass has initialized.
  const source = writeBackbone(path, "cnn-13", { width: 0.125, norm: "weight" });
  const options = {
    method: "supervised",
    steps: 1,
    batch: 20,
    labeledBatch: 20,
    model: "cnn-13",
    "model.width": 0.125,
    "model.norm": "weight",
    "model.weights": path,
  };

  test.each(["none", "backbone"])(
    "freeze %s: its logits are of the size that its initialization gives",
    async (freeze) => {
      const config = configure(join(folder, "unused"), { ...options, "model.freeze": freeze });
      const { data, method, batches } = await openSession(config);
      const student = method.models.student!;
      const logits = noGrad(() =>
        scope(() => student.forward(Object.values(batches.batch(0).labeled.x)[0]!, "probe").toNumbers()),
      );
      const size = Math.sqrt(logits.reduce((sum, z) => sum + z * z, 0) / logits.length);
      expect(size).toBeGreaterThan(0.5);
      expect(size).toBeLessThan(2);
      for (const [i, { name, tensor, part }] of student.parameters.entries()) {
        if (part === "backbone") expect(tensor.toNumbers(), name).toEqual(source.parameters[i]!.tensor.toNumbers());
      }
      data.release();
    },
  );

  test("class means are no start for it, and the remark says so", async () => {
    const { events } = await trainToEnd(
      configure(join(folder, "no-means"), { ...options, "model.headStart": "means" }),
    );
    const remarks = events.flatMap((e) => (e.type === "warning" && e.message.includes("fc") ? [e.message] : []));
    expect(remarks).toEqual([
      expect.stringMatching(/fc has 7 .* with fresh weights, as class means need a head of one/),
    ]);
  });
});
