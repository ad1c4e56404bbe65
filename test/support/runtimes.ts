/** Runtimes that exported files are tested with: `npm ci --prefix test/runtimes --ignore-scripts` installs them. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { describe } from "vitest";
import { enginePresent } from "./engine.js";

const folder = fileURLToPath(new URL("../runtimes/", import.meta.url));

/** Folder of an installed package below test/runtimes, or undefined. */
export function runtimeFolder(name: string): string | undefined {
  const path = `${folder}node_modules/${name}`;
  return existsSync(path) ? path : undefined;
}

/** Where src/ is told to look for onnxruntime-node and onnxruntime-web. */
export const runtimesFolder = folder;

const advice = "run `npm ci --prefix test/runtimes --ignore-scripts`";
const missing = !runtimeFolder("onnxruntime-node");
if (missing) console.warn(`skipping tests that need onnxruntime: ${advice}`);

/** `describe`, skipped (saying so) without the engine or the runtimes. */
export const describeRuntimes = describe.skipIf(!enginePresent || missing);

interface OrtTensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

interface Ort {
  readonly InferenceSession: {
    create(
      model: Uint8Array | string,
      options?: object,
    ): Promise<{ run(feeds: object): Promise<Record<string, OrtTensor>>; release(): Promise<void> }>;
  };
  readonly Tensor: new (type: "float32", data: Float32Array, dims: readonly number[]) => OrtTensor;
}

export function onnxruntime(): Ort {
  return createRequire(`${folder}package.json`)("onnxruntime-node") as Ort;
}

/** Runs `[N, C, H, W]` pixels through a model file with onnxruntime-node, one thread. */
export async function ortRunner(model: Uint8Array | string) {
  const ort = onnxruntime();
  const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  return {
    async logits(pixels: Float32Array, shape: readonly number[]): Promise<Float32Array> {
      const { logits } = await session.run({ pixel_values: new ort.Tensor("float32", pixels, shape) });
      return logits!.data;
    },
    release: () => session.release(),
  };
}
