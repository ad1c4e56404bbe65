/** The static page: what lies in `web/classify/` of this package, and the files of onnxruntime-web that it loads. */
import { copyFileSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../../errors.js";
import { packagePath } from "../../package.js";
import { optionalFile } from "../runtime.js";

const page = packagePath("web/classify");

/** The CPU build alone: 50 kB, 24 kB and 14 MB of the package's 146 MB. */
const runtimeFiles = ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"];

/** Throws UsageError where onnxruntime-web is not installed. */
export function copyPage(folder: string): void {
  const found = runtimeFiles.map((name) => optionalFile("onnxruntime-web/wasm", name));
  const missing = found.some((path) => path === undefined || !existsSync(path));
  if (missing) {
    throw new UsageError(
      "export --format web: puts onnxruntime-web beside the page, and it is not installed. Run `npm install onnxruntime-web` in your project",
    );
  }
  for (const name of readdirSync(page)) copyFileSync(join(page, name), join(folder, name));
  mkdirSync(join(folder, "runtime"));
  runtimeFiles.forEach((name, i) => {
    copyFileSync(found[i]!, join(folder, "runtime", name));
  });
}
