/** Loads the native addon: the only file that knows where it lies. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { EngineError } from "../errors.js";
import { cacheFolder, packagePath, packageVersion, setupCommand } from "../package.js";

/** What `native/` exports. Tensors cross as handles: numbers that name a slot and its generation. */
export interface Addon {
  find(name: string, overload: string): number;
  /** `given`: the arguments before tensors became handles, for who stands in; the engine does not look at it. */
  call(op: number, args: readonly unknown[], given?: readonly unknown[]): unknown;
  release(handles: readonly number[]): void;
  liveTensors(): number;
  adjustExternalMemory(bytes: number): void;
  fromData(data: NodeJS.TypedArray, shape: readonly number[], dtype: string, borrow: boolean): number;
  toData(handle: number): NodeJS.TypedArray;
  bytes(handle: number): number;
  shape(handle: number): number[];
  dtype(handle: number): string;
  device(handle: number): string;
  isChannelsLast(handle: number): boolean;
  backward(handle: number): void;
  grad(handle: number): number | undefined;
  clearGrad(handle: number): void;
  requiresGrad(handle: number): boolean;
  setRequiresGrad(handle: number, on: boolean): void;
  setGradMode(on: boolean): boolean;
  enterAutocast(device: string, dtype: string): void;
  leaveAutocast(device: string): void;
  releaseMemory(): void;
  setThreads(count: number): void;
  threads(): number;
  /** What messages between processes can go through: "", "gloo", "nccl" or "gloo nccl". */
  transports(): string;
  /**
   * Joins the group of processes; returns what keeps them from one, or "". `card`: number of the GPU, -1 for the CPU. This and the rest
   * are there where the engine was built with Gloo or NCCL (`openGroup` undefined: not).
   */
  openGroup?: (
    rank: number,
    size: number,
    host: string,
    port: number,
    serves: boolean,
    prefix: string,
    address: string,
    networkInterface: string,
    seconds: number,
    card: number,
  ) => string;
  closeGroup(): void;
  allReduce(handles: readonly number[], divisor: number, flag: number): number;
  broadcast(handles: readonly number[], from: number): void;
  allGather(handle: number): number;
  info(): Engine;
  setCuda(index: number, tf32: boolean, deterministic: boolean): void;
  cudaMemory(): { free: number; total: number; held: number };
  /** What is called until `graphEnd` is not carried out but remembered by the GPU; there where the engine was built for one. */
  graphBegin?: () => void;
  /** Its number. */
  graphEnd?: () => number;
  /** Forgets what was begun. */
  graphAbort?: () => void;
  graphReplay?: (graph: number) => void;
  graphDrop?: (graph: number) => void;
}

export interface Engine {
  /** libtorch's version. */
  readonly libtorch: string;
  /** Number of CUDA devices. */
  readonly cuda: number;
  /** Whether libtorch is one with CUDA, and whether our own kernels for it were built. */
  readonly cudaBuild: boolean;
  readonly cudaKernels: boolean;
  /** The CPU's instructions in use: "AVX512", "AVX2", "DEFAULT". */
  readonly capability: string;
  /** Whether float32 convolutions of 3 x 3 are our own on this processor. */
  readonly winograd: boolean;
  /** Whether convolutions in bfloat16 are our own, by AMX, on this processor. */
  readonly amx: boolean;
  /** Whether they are by AVX-512's dot products, where there is no AMX. */
  readonly dots: boolean;
}

let loaded: Addon | undefined;

/** The addon, loaded on first use. Throws EngineError naming every path tried and what to do. */
export function addon(): Addon {
  loaded ??= load();
  return loaded;
}

/** Puts what `make` gives in the addon's place for this thread; returns the addon. */
export function standIn(make: (native: Addon) => Addon): Addon {
  const native = addon();
  loaded = make(native);
  return native;
}

/** The addon throws plain errors; these become EngineErrors that name the function. `call` is worded by its only caller. */
function withErrorClass(native: Addon): Addon {
  const wrapped = Object.entries(native).map(([name, method]: [string, (...args: unknown[]) => unknown]) => {
    if (name === "call" || name === "find") return [name, method];
    const guarded = (...args: unknown[]) => {
      try {
        return method(...args);
      } catch (error) {
        throw new EngineError(`${name}: ${(error as Error).message}`, { cause: error });
      }
    };
    return [name, guarded];
  });
  return Object.fromEntries(wrapped) as Addon;
}

/**
 * Environment variables that OpenMP and UCX read when they are loaded; what the user has set stays. In a worker thread
 * this needs `env: SHARE_ENV`, or only the worker's copy changes.
 */
function prepareEnvironment(env: NodeJS.ProcessEnv): void {
  // How long idle OpenMP threads spin before they sleep. A step is hundreds of short parallel regions: sleeping at once makes
  // it a quarter slower on a quiet machine, GNU's default of 300,000 turns several times slower on a busy one.
  // Figures: docs/decisions/0005-waiting-threads.md.
  if (env.OMP_WAIT_POLICY === undefined) env.GOMP_SPINCOUNT ??= "10000";
  // Debian 13's libtorch brings UCX by way of MPI, which takes SIGHUP for its own debugging: a run would not hear a hangup.
  env.UCX_DEBUG_SIGNO ??= "0";
  // And the signals of a crash, for a report that allocates memory: one inside of malloc then never ends.
  env.UCX_HANDLE_ERRORS ??= "none";
  // And libc's functions for memory: it writes others over them and tries those. Where the heap cannot grow (V8's code lies right
  // behind it in 1 process of 64) the trial takes away the heap's last page, in use or not.
  env.UCX_MEM_EVENTS ??= "no";
}

/** Where the engine may lie, in order: in the package, or in the user's cache where that cannot be written (scripts/setup/common.mjs). */
export function enginePaths(
  env: NodeJS.ProcessEnv = process.env,
  version = packageVersion(),
  folder = packagePath("").replace(/[/\\]$/, ""),
): string[] {
  const key = createHash("sha256").update(folder).digest("hex").slice(0, 12);
  return [
    join(folder, "build", "fewlabels.node"),
    join(cacheFolder(env), "engines", `${version}-${key}`, "fewlabels.node"),
  ];
}

function load(): Addon {
  prepareEnvironment(process.env);
  const given = process.env.FEWLABELS_ADDON;
  const paths = given ? [given] : enginePaths();
  const failures: string[] = [];
  for (const path of paths) {
    if (!existsSync(path)) {
      failures.push(`${path}: not there`);
      continue;
    }
    try {
      return withErrorClass(createRequire(import.meta.url)(path) as Addon);
    } catch (error) {
      failures.push(`${path}: ${(error as Error).message}`);
    }
  }
  throw new EngineError(
    `fewlabels: the engine could not be loaded.\n${failures.map((f) => `  tried ${f}`).join("\n")}\n` +
      `  Run \`${setupCommand()}\` to find or install libtorch and build it; \`npx fewlabels doctor\` says what is missing.`,
  );
}
