/** Where a run computes, and how precisely: the answers to `--device auto` and to no `--precision`. */
import { existsSync, readFileSync } from "node:fs";
import { badValue, UsageError } from "../errors.js";
import { type Engine, engineInfo, launchedAs, type Place, type Precision, useCuda } from "../torch/index.js";

export interface Hardware {
  /** "cpu", "cuda" (the first GPU) or "cuda:N". */
  readonly device: string;
  readonly precision: Precision;
}

interface Asked {
  readonly device: string;
  readonly precision?: string | undefined;
  readonly deterministic?: boolean | undefined;
  /** The run that goes on here. */
  readonly resume?: string | undefined;
}

/**
 * What a run whose settings are `saved` asks for where it is used, not continued: a machine without its GPU will do. `device`: what was
 * asked for there.
 */
export function hardwareOfUse<C extends { readonly device: string; readonly precision?: string | undefined }>(
  saved: C,
  device?: string,
): C {
  const precision = saved.precision === "tf32" ? "fp32" : saved.precision;
  return { ...saved, device: device ?? (saved.device === "cpu" ? "cpu" : "auto"), precision };
}

/** What `asked` comes to on this machine, made ready for the calling thread. Throws UsageError where it is not to be had. */
export function openHardware({ device: wanted, precision: given, deterministic = false, resume }: Asked): Hardware {
  const device = resolveDevice(wanted, { resume });
  const precision = resolvePrecision(given as Precision | undefined, device, { resume });
  if (device !== "cpu") useCuda(cardOf(device), { tf32: precision === "tf32", deterministic });
  return { device, precision };
}

interface DeviceFacts {
  readonly engine?: Engine;
  readonly place?: Place | undefined;
  readonly resume?: string | undefined;
}

/**
 * "cpu", "cuda" or "cuda:N"; of several processes on a machine each has a GPU of its own where there are so many. Throws UsageError where
 * the device asked for is not there.
 */
export function resolveDevice(
  wanted: string,
  { engine = engineInfo(), place = launchedAs(), resume }: DeviceFacts = {},
): string {
  const { cuda } = engine;
  const refuse = (expected: string, why: string): never => {
    const remedy = resume === undefined ? "" : "The run began there: --device cpu continues it here";
    throw new UsageError(badValue("fewlabels", "--device", expected, wanted, [why, remedy].filter(Boolean).join(". ")));
  };
  if (wanted === "mps") return refuse("auto, cpu or cuda", "Apple's GPU is not supported yet");
  if (wanted === "cpu" || (wanted === "auto" && cuda === 0)) return "cpu";
  if (cuda === 0) return refuse("a device this machine has (cpu)", whyNoCard(engine) ?? "");
  if (wanted === "auto" || wanted === "cuda") {
    return place && place.localSize > 1 && cuda > 1 ? `cuda:${place.localRank % cuda}` : "cuda";
  }
  if (cardOf(wanted) < cuda) return wanted;
  return refuse(`a GPU of this machine (${cuda === 1 ? "cuda:0" : `cuda:0 .. cuda:${cuda - 1}`})`, "");
}

/** What a run that asked for `wanted` and computes on `device` writes down of it: where each process has its own GPU, none of them. */
export function deviceToSave(wanted: string, device: string): string {
  return device !== "cpu" && (wanted === "auto" || wanted === "cuda") ? "cuda" : device;
}

/** Why libtorch has no GPU to use here, and what would change that; undefined where it has one. */
export function whyNoCard({ cuda, cudaBuild, libtorch }: Engine): string | undefined {
  if (cuda > 0) return undefined;
  return cudaBuild
    ? `libtorch ${libtorch} is built for CUDA and sees no device: is there one, and its driver (nvidia-smi)`
    : `libtorch ${libtorch} here is built without CUDA (docs/gpu.md says which to install)`;
}

function cardOf(device: string): number {
  return Number(device.split(":")[1] ?? 0);
}

/**
 * bfloat16 where the hardware multiplies it natively, else float32. Throws UsageError for tf32 on a CPU; a run of a GPU that goes on there
 * has fp32.
 */
export function resolvePrecision(
  wanted: Precision | undefined,
  device: string,
  { resume }: Pick<Asked, "resume"> = {},
): Precision {
  if (wanted === "tf32" && device === "cpu") {
    if (resume !== undefined) return "fp32";
    throw new UsageError(
      badValue(
        "fewlabels",
        "--precision",
        "fp32 or bf16",
        "tf32",
        "On the CPU there is no TF32; it needs --device cuda",
      ),
    );
  }
  return wanted ?? (device !== "cpu" || cpuMultipliesBf16() ? "bf16" : "fp32");
}

function cpuMultipliesBf16(): boolean {
  const file = "/proc/cpuinfo";
  return existsSync(file) && /\b(avx512_bf16|amx_bf16)\b/.test(readFileSync(file, "utf8"));
}
