// scripts/torch-to-safetensors.py, live: skipped where no Python has PyTorch.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { findModel } from "../../src/models/index.js";
import { createModel } from "../../src/nn/index.js";
import { parseOptions } from "../../src/options.js";
import { Rng } from "../../src/rng.js";
import { readSafetensors } from "../../src/run/index.js";
import { loadWeights } from "../../src/session/weights.js";
import { scope, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { relativeError } from "../support/torchvision.js";
import { removeFolder, temporaryFolder } from "../support/train-run.js";

const script = fileURLToPath(new URL("../../scripts/torch-to-safetensors.py", import.meta.url));
const python = ["python3", "/usr/bin/python3"].find((path) => spawnSync(path, ["-c", "import torch"]).status === 0);
if (!python) console.warn("skipping tests of scripts/torch-to-safetensors.py: no python3 with PyTorch here");

const folder = temporaryFolder();
afterAll(() => removeFolder(folder));

const hasTorchvision = python !== undefined && spawnSync(python, ["-c", "import torchvision"]).status === 0;

/** Runs Python code that may use `torch` and `folder`. */
function torch(code: string): void {
  const { status, stderr } = spawnSync(python!, ["-c", `import torch\nfolder = ${JSON.stringify(folder)}\n${code}`]);
  if (status !== 0) throw new Error(stderr.toString());
}

function convert(input: string, output: string, ...more: readonly string[]) {
  const run = spawnSync(python!, [script, join(folder, input), join(folder, output), ...more]);
  return { status: run.status, stdout: run.stdout.toString(), stderr: run.stderr.toString() };
}

describe.skipIf(!python)("torch-to-safetensors.py", () => {
  test("every type, empty, scalar, transposed and prefixed tensors come out as they went in", () => {
    torch(`
t = {
  "module.a.weight": torch.tensor([[1.5, -2.25, 3.0], [4.0, 5.0, 6.5]]).t(),
  "module.a.half": torch.tensor([0.5, -65504.0], dtype=torch.float16),
  "module.a.brain": torch.tensor([1.0, -3.0], dtype=torch.bfloat16),
  "module.a.double": torch.tensor([0.1], dtype=torch.float64),
  "module.n.num_batches_tracked": torch.tensor(7),
  "module.b": torch.tensor([True, False, True]),
  "module.e": torch.zeros(0, 4),
}
torch.save({"state_dict": t, "epoch": 3}, folder + "/all.pth")`);
    const { status, stdout } = convert("all.pth", "all.safetensors");
    expect([status, stdout]).toEqual([0, expect.stringMatching(/7 tensors, 15 values/)]);
    const file = readSafetensors(join(folder, "all.safetensors"));
    const shapes = Object.fromEntries([...file].map(([name, { dtype, shape }]) => [name, [dtype, ...shape]]));
    expect(shapes).toEqual({
      "a.weight": ["F32", 3, 2],
      "a.half": ["F16", 2],
      "a.brain": ["BF16", 2],
      "a.double": ["F64", 1],
      "n.num_batches_tracked": ["I64"],
      b: ["BOOL", 3],
      e: ["F32", 0, 4],
    });
    const bytes = (name: string) => file.get(name)!.bytes.slice();
    expect([...new Float32Array(bytes("a.weight").buffer)]).toEqual([1.5, 4, -2.25, 5, 3, 6.5]); // row-major
    expect([...new Uint16Array(bytes("a.half").buffer)]).toEqual([0x3800, 0xfbff]);
    expect([...new Uint16Array(bytes("a.brain").buffer)]).toEqual([0x3f80, 0xc040]);
    expect([...new Float64Array(bytes("a.double").buffer)]).toEqual([0.1]);
    expect([...new BigInt64Array(bytes("n.num_batches_tracked").buffer)]).toEqual([7n]);
    expect([...bytes("b")]).toEqual([1, 0, 1]);
  });

  test("--dtype stores floating-point tensors in another type, whole numbers as they are", () => {
    torch('torch.save({"w": torch.tensor([1.0]), "n": torch.tensor([2])}, folder + "/two.pth")');
    expect(convert("two.pth", "two.safetensors", "--dtype", "bfloat16").status).toBe(0);
    const file = readSafetensors(join(folder, "two.safetensors"));
    expect([file.get("w")!.dtype, file.get("n")!.dtype]).toEqual(["BF16", "I64"]);
  });

  test("what is no state dict is refused in one line, without a file", () => {
    writeFileSync(join(folder, "text.pth"), "no pickle");
    torch('torch.save({"epoch": 3}, folder + "/empty.pth")');
    for (const name of ["text.pth", "empty.pth", "none.pth"]) {
      const { status, stderr } = convert(name, "never.safetensors");
      expect(status).not.toBe(0);
      expect(stderr).toContain(name);
      expect(stderr).not.toContain("Traceback");
    }
    expect(() => readSafetensors(join(folder, "never.safetensors"))).toThrow(/cannot be read/);
  });
});

describeEngine("weights of torchvision", () => {
  test.skipIf(!hasTorchvision)("EfficientNet-B0: from state dict to --model.weights, the same logits", () => {
    torch(`
import json, math, torchvision
torch.manual_seed(3)
model = torchvision.models.efficientnet_b0(num_classes=5).eval()
torch.save(model.state_dict(), folder + "/b0.pth")
x = torch.tensor([math.sin(0.37 * i) for i in range(2 * 3 * 64 * 64)]).reshape(2, 3, 64, 64)
json.dump(model(x).flatten().tolist(), open(folder + "/b0.json", "w"))`);
    expect(convert("b0.pth", "b0.safetensors").status).toBe(0);
    const { definition, preset } = findModel("efficientnet-b0");
    const net = definition.create(
      { channels: 3, height: 64, width: 64, numClasses: 5 },
      parseOptions(definition.options, preset, "b0"),
    );
    const model = createModel(net, { rng: Rng.fromSeed(1), precision: "fp32", device: "cpu" });
    expect(loadWeights(model, join(folder, "b0.safetensors"))).toEqual([]);
    const pixels = Float32Array.from({ length: 2 * 3 * 64 * 64 }, (_, i) => Math.sin(0.37 * i));
    const expected: number[] = JSON.parse(readFileSync(join(folder, "b0.json"), "utf8"));
    const logits = scope(() => model.forward(tensor(pixels, [2, 3, 64, 64]), "eval").toNumbers());
    expect(relativeError(logits, expected)).toBeLessThan(1e-4);
  });
});
