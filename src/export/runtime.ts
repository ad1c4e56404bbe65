/** Packages that only some exports need, looked for where the user's project is; nobody is made to install them. */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Chunks } from "./onnx/protobuf.js";

/** Folders whose node_modules are searched, this package's own first. */
const places = () => [import.meta.url, pathToFileURL(join(process.cwd(), "package.json")).href];

/** A package, loaded, or undefined where it is not installed. */
export function optionalPackage(name: string): unknown {
  for (const place of places()) {
    try {
      return createRequire(place)(name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw error;
    }
  }
  return undefined;
}

/** Folder of a file of a package, or undefined where it is not installed. */
export function optionalFile(name: string, file: string): string | undefined {
  for (const place of places()) {
    try {
      return join(dirname(createRequire(place).resolve(name)), file);
    } catch {
      // the next place
    }
  }
  return undefined;
}

interface OrtTensor {
  readonly data: Float32Array;
}

/** The part of onnxruntime-node that is used here. */
interface Ort {
  readonly InferenceSession: {
    create(
      model: Uint8Array,
      options: object,
    ): Promise<{ run(feeds: object): Promise<Readonly<Record<string, OrtTensor>>>; release(): Promise<void> }>;
  };
  readonly Tensor: new (type: "float32", data: Float32Array, dims: readonly number[]) => OrtTensor;
}

/** Something that computes the logits of a written file. */
export interface FileRunner {
  /** What computes: "onnxruntime-node 1.30.0", or our own engine. */
  readonly name: string;
  /** `[N, C, H, W]` pixels 0..255 -> `[N, K]`. */
  logits(pixels: Float32Array, shape: readonly number[]): Promise<Float32Array>;
  release(): Promise<void>;
}

/** onnxruntime-node on a model, if it is installed. */
export async function onnxruntimeRunner(
  model: Chunks,
  input: string,
  output: string,
  threads: number,
): Promise<FileRunner | undefined> {
  const ort = optionalPackage("onnxruntime-node") as Ort | undefined;
  if (!ort) return undefined;
  const options = { intraOpNumThreads: threads, interOpNumThreads: 1, logSeverityLevel: 3 };
  const session = await ort.InferenceSession.create(Buffer.concat(model), options);
  const { version } = (optionalPackage("onnxruntime-node/package.json") ?? {}) as { version?: string };
  return {
    name: `onnxruntime-node${version ? ` ${version}` : ""}`,
    async logits(pixels, shape) {
      const results = await session.run({ [input]: new ort.Tensor("float32", pixels, shape) });
      return results[output]!.data;
    },
    release: () => session.release(),
  };
}
