/** Where a run computes, and how precisely: the answers to `--device auto` and to no `--precision`. */
import { existsSync, readFileSync } from "node:fs";
import { badValue, UsageError } from "../errors.js";
import { engineInfo, type Precision } from "../torch/index.js";

/** "cpu" or "cuda". Throws UsageError where the device asked for is not there. */
export function resolveDevice(wanted: string): string {
  const { cuda, libtorch } = engineInfo();
  if (wanted === "auto") return cuda > 0 ? "cuda" : "cpu";
  if (wanted === "cuda" && cuda === 0) {
    throw new UsageError(
      badValue(
        "fewlabels",
        "--device",
        "a device this machine has (cpu)",
        "cuda",
        `libtorch ${libtorch} here sees no CUDA device`,
      ),
    );
  }
  if (wanted === "mps")
    throw new UsageError(
      badValue("fewlabels", "--device", "auto, cpu or cuda", "mps", "Apple's GPU is not supported yet"),
    );
  return wanted;
}

/** bfloat16 where the hardware multiplies it natively, else float32. */
export function resolvePrecision(wanted: Precision | undefined, device: string): Precision {
  return wanted ?? (device === "cuda" || cpuMultipliesBf16() ? "bf16" : "fp32");
}

function cpuMultipliesBf16(): boolean {
  const file = "/proc/cpuinfo";
  return existsSync(file) && /\b(avx512_bf16|amx_bf16)\b/.test(readFileSync(file, "utf8"));
}
