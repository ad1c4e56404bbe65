import { expect, test } from "vitest";
import { modelFacts } from "../../src/models/model-facts.js";
import { conv2d, globalAvgPool, linear, network, sequential, trace } from "../../src/nn/index.js";
import { Rng } from "../../src/rng.js";
import { liveTensors, scope, zeros } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";

/** Products of a ResNet of bottlenecks (Table 1 of the paper), summed up convolution by convolution. */
function slowBottleneckProducts(counts: readonly number[], inner: readonly number[], groups: number): number {
  let total = 7 * 7 * 3 * 64 * 112 * 112;
  let from = 64;
  counts.forEach((count, stage) => {
    const [width, to] = [inner[stage]!, 256 * 2 ** stage];
    const side = 56 / 2 ** stage;
    for (let i = 0; i < count; i++) {
      const sideIn = i === 0 && stage > 0 ? side * 2 : side;
      total += from * width * sideIn ** 2; // 1x1
      total += ((9 * width * width) / groups) * side ** 2; // 3x3, with the stride
      total += width * to * side ** 2; // 1x1
      if (i === 0) total += from * to * side ** 2; // shortcut
      from = to;
    }
  });
  return total + 2048 * 1000;
}

describeEngine("modelFacts", () => {
  test("counts ResNet-50's products as its table gives them: 4.09 billion", () => {
    const { multiplyAccumulates, parameters } = modelFacts("resnet-50");
    expect(multiplyAccumulates).toBe(slowBottleneckProducts([3, 4, 6, 3], [64, 128, 256, 512], 1));
    expect(multiplyAccumulates / 1e9).toBeCloseTo(4.089, 3); // torchvision's own documentation
    expect(parameters).toBe(25_557_032);
  });

  test("counts a grouped convolution by its groups: ResNeXt-50", () => {
    const { multiplyAccumulates } = modelFacts("resnext-50");
    expect(multiplyAccumulates).toBe(slowBottleneckProducts([3, 4, 6, 3], [128, 256, 512, 1024], 32));
    expect(multiplyAccumulates / 1e9).toBeCloseTo(4.23, 2);
  });

  test("the layers' parameters and products add up to the whole; norms, pools and activations count none", () => {
    for (const name of ["cnn-13", "wrn-28-2", "shake-shake-26-2x32d", "resnet-18", "efficientnet-b0", "convnet-tiny"]) {
      const { layers, parameters, multiplyAccumulates } = modelFacts(name);
      const sum = (key: "parameters" | "multiplyAccumulates") => layers.reduce((total, layer) => total + layer[key], 0);
      expect([name, sum("parameters"), sum("multiplyAccumulates")]).toEqual([name, parameters, multiplyAccumulates]);
      const free = layers.filter((layer) => !/^(conv|linear)/.test(layer.type));
      expect(free.every((layer) => layer.multiplyAccumulates === 0)).toBe(true);
    }
  });

  test("a vision transformer's class token and positions are no kernels, and every row has a name", () => {
    const [size, tokens] = [48, 5];
    const given = { size, layers: 2, attentionHeads: 3, patch: 8 };
    const { layers, parameters, multiplyAccumulates } = modelFacts("vit", given, { height: 16, width: 16 });
    const block = tokens * (3 + 1 + 8) * size ** 2 + 2 * tokens ** 2 * size;
    expect(multiplyAccumulates).toBe((tokens - 1) * 3 * 8 ** 2 * size + 2 * block + size * 1000);
    expect(layers.reduce((sum, layer) => sum + layer.parameters, 0)).toBe(parameters);
    expect(layers.map(({ name }) => name)).not.toContain("");
    expect(layers.find(({ name }) => name === "class_token")).toMatchObject({
      parameters: size,
      multiplyAccumulates: 0,
    });
  });

  test("follows options, classes and image size", () => {
    const plain = modelFacts("convnet-tiny");
    const larger = modelFacts("convnet-tiny", {}, { height: 64, width: 64, numClasses: 100 });
    expect(larger.parameters - plain.parameters).toBe(90 * 65);
    expect(larger.multiplyAccumulates).toBe(4 * (plain.multiplyAccumulates - 640) + 6400);
    expect(modelFacts("convnet-tiny", { heads: 2 }).parameters - plain.parameters).toBe(650);
    expect(() => modelFacts("convnet-tiny", { widht: 2 })).toThrow(/unknown option "widht".*"width"/);
  });

  test("estimates memory: weights once, every layer's output once, 4 bytes a number", () => {
    const { memoryMB, layers, parameters } = modelFacts("resnet-50");
    const outputs = layers.reduce((total, { output }) => total + output.reduce((a, b) => a * b, 1), 0);
    expect(memoryMB.weights).toBeCloseTo((parameters * 4) / 2 ** 20, 0);
    expect(memoryMB.activationsPerImage).toBeCloseTo((outputs * 4) / 2 ** 20, 0);
  });

  test("frees everything it made", () => {
    const before = liveTensors();
    modelFacts("convnet-tiny");
    expect(liveTensors()).toBe(before);
  });
});

describeEngine("trace", () => {
  const build = () =>
    network({
      features: sequential({
        conv: conv2d(3, 4, { kernel: 3, stride: 2, groups: 1, bias: true }),
        pool: globalAvgPool(),
      }),
      fc: linear(4, 5),
    });

  test("lists layers in the order of the calls, with the names of their tensors", () => {
    expect(trace(build(), [3, 6, 8])).toEqual([
      { name: "features.conv", type: "conv 3x3 / 2", output: [4, 3, 4], parameters: 112, multiplyAccumulates: 1296 },
      { name: "features.pool", type: "global average", output: [4], parameters: 0, multiplyAccumulates: 0 },
      { name: "fc", type: "linear", output: [5], parameters: 25, multiplyAccumulates: 20 },
    ]);
  });

  test("leaves the network as it was, on a throw too", () => {
    const net = build();
    const { forward } = net.children.fc!;
    trace(net, [3, 6, 6]);
    expect(() => trace(net, [2, 6, 6])).toThrow(/conv2d/);
    expect(net.children.fc!.forward).toBe(forward);
    scope(() => {
      expect(net.forward(zeros([2, 3, 6, 6]), { mode: "eval", rng: Rng.fromSeed(1) }).shape).toEqual([2, 5]);
    });
  });
});
