/** `fewlabels doctor`: what was found, what is missing, what to do about it. */
import { pathToFileURL } from "node:url";
import { resolveConfig } from "../../config/resolve.js";
import { DiskError } from "../../errors.js";
import { boolean } from "../../options.js";
import { packagePath, setupCommand } from "../../package.js";
import { missingFonts } from "../../report/fonts.js";
import { whyNoCard } from "../../session/device.js";
import { median } from "../../statistics.js";
import { engineInfo, transports } from "../../torch/index.js";
import { defineCommand } from "../command.js";
import { type Blas, loadedBlas } from "../measure/loaded-blas.js";
import { measure } from "../measure/measure.js";
import { print } from "../output.js";

interface Problem {
  readonly what: string;
  readonly todo: readonly string[];
  readonly level: "error" | "warning";
}

/** What scripts/setup/probe.mjs reports (its own typedefs say more). */
interface Report {
  readonly node: { readonly version: string; readonly needed: string; readonly ok: boolean };
  readonly os: { readonly platform: string; readonly release: string; readonly arch: string };
  readonly cpu: {
    readonly model: string;
    readonly cores: number;
    readonly avx2: boolean;
    readonly avx512: boolean;
    readonly bf16: boolean;
  };
  readonly memory: { readonly totalMB: number; readonly availableMB: number };
  readonly load: { readonly oneMinute: number };
  /** `how` it was found: "system", "python3 torch". */
  readonly libtorch: { readonly version: string; readonly how: string; readonly root: string } | null;
  readonly blas: Blas | null;
  /** Whether the headers are there that several processes need, and what to do where not. */
  readonly gloo: boolean;
  readonly glooTodo: readonly string[];
  /** The same of NCCL, which messages between GPUs go through. */
  readonly nccl: boolean;
  readonly compiler: { readonly path: string; readonly version: string } | null;
  readonly addon: {
    readonly path: string;
    readonly built: boolean;
    readonly current: boolean;
    readonly loads: boolean;
  };
  readonly typescript: { readonly state: string };
  readonly problems: readonly Problem[];
  readonly ok: boolean;
}

interface Engine {
  readonly libtorch: string;
  readonly cudaDevices: number;
  /** What a GPU does here, or why there is none. */
  readonly gpu: string;
  readonly capability: string;
  /** Whether float32 convolutions of 3 x 3 are our own here. */
  readonly winograd: boolean;
  /** Whether those in bfloat16 are. */
  readonly amx: boolean;
  /** The same, by dot products. */
  readonly dots: boolean;
  readonly precision: string;
  readonly threads: number;
  readonly stepMs: number;
}

export const doctor = defineCommand({
  name: "doctor",
  summary: "what was found, what is missing, what to do",
  description:
    "Look for libtorch, a compiler, the addon; train a few steps; say what is missing and what to do. " +
    "Exit code 1 when training cannot work.",
  options: { json: boolean(false, { doc: "print one JSON line" }) },
  examples: ["fewlabels doctor", "fewlabels doctor --json"],
  run: ({ json }) => doctorCommand(json),
});

async function doctorCommand(json: boolean): Promise<void> {
  const found = await probeSetup();
  const problems: Problem[] = [...found.problems];
  let engine: Engine | undefined;
  if (found.addon.loads) {
    try {
      engine = await tryEngine();
    } catch (error) {
      const todo = error instanceof DiskError ? ["set TMPDIR to a folder that you may write to"] : [setupCommand()];
      problems.push({ what: `training fails: ${(error as Error).message}`, todo, level: "error" });
    }
  }
  const fonts = missingFonts();
  if (fonts) problems.push({ what: "no fonts: plots are written as SVG alone", todo: [fonts], level: "warning" });
  // What was found before is about Debian's packages; the engine that has run knows of any libtorch.
  const report: Report = { ...found, blas: found.blas ?? (engine && loadedBlas()) ?? null };
  const ok = problems.every((problem) => problem.level !== "error");
  if (json) print(JSON.stringify({ ...report, engine: engine ?? null, problems, ok }));
  else print(...doctorLines(report, engine, problems, ok));
  if (!ok) process.exitCode = 1;
}

async function probeSetup(): Promise<Report> {
  const script = pathToFileURL(packagePath("scripts/setup/probe.mjs"));
  const { probe } = (await import(script.href)) as { probe: () => Report };
  return probe();
}

/** A few real training steps on a few generated pictures: the whole path, worker thread included. */
async function tryEngine(): Promise<Engine> {
  const dataset = { name: "digits", train: 400, test: 100 } as const;
  const config = resolveConfig({ dataset, labels: 100, model: "convnet-tiny" });
  const { start, stepSeconds } = await measure(config, { warmup: 3, steps: 10 });
  const info = engineInfo();
  const { libtorch, cuda, capability, winograd, amx, dots } = info;
  return {
    libtorch,
    cudaDevices: cuda,
    gpu: gpuRow(info),
    capability,
    winograd,
    amx,
    dots,
    precision: start.precision,
    threads: start.threads,
    stepMs: Math.round(median(stepSeconds) * 10_000) / 10,
  };
}

/** What the GPU is for here, or why there is none. */
function gpuRow(info: Parameters<typeof whyNoCard>[0]): string {
  const why = whyNoCard(info);
  if (why) return `none: ${why}`;
  const kernels = info.cudaKernels
    ? "draws and weak views are made there"
    : `draws and views are made on the CPU: the engine was built without CUDA's compiler (nvcc). ${setupCommand()} finds it`;
  return `${info.cuda === 1 ? "one CUDA device" : `${info.cuda} CUDA devices`}; ${kernels}`;
}

/** Whether several processes can train one network here. */
function processesRow({ gloo, glooTodo, nccl }: Report): string {
  const has = transports();
  const several = "several can train one network together";
  const unused = nccl && !has.includes("nccl") ? `; NCCL for GPUs is there and not built in: ${setupCommand()}` : "";
  if (has.includes("gloo")) return `${several} (${has.includes("nccl") ? "Gloo; NCCL between GPUs" : "Gloo"})${unused}`;
  const without = gloo
    ? `the engine was built without Gloo. ${setupCommand()}`
    : ["libtorch's Gloo headers are not there", ...glooTodo].join("; ");
  return has.length > 0
    ? `${several}, each on a GPU (NCCL); on CPUs one only: ${without}`
    : `one only: ${without}${unused}`;
}

function doctorLines(report: Report, engine: Engine | undefined, problems: readonly Problem[], ok: boolean): string[] {
  const { node, os, cpu, memory, libtorch, blas, compiler, addon } = report;
  const instructions = [cpu.avx512 ? "AVX-512" : cpu.avx2 ? "AVX2" : "no AVX2", cpu.bf16 ? "bf16" : "no bf16"].join(
    ", ",
  );
  const rows = [
    ["node", `${node.version} (needs ${node.needed})`],
    ["machine", `${os.platform} ${os.arch}, ${cpu.model}, ${cpu.cores} cores, ${instructions}`],
    ["memory", `${memory.availableMB} of ${memory.totalMB} MB free, load ${report.load.oneMinute.toFixed(1)}`],
    [
      "libtorch",
      libtorch ? `${libtorch.version}, ${libtorch.how} (${libtorch.root})` : "not found (needed to build only)",
    ],
    ...(libtorch ? [["blas", blas ? `${blas.name} (${blas.path})` : "libtorch's own"]] : []),
    ["compiler", compiler ? `${compiler.path} ${compiler.version}` : "not found (needed to build only)"],
    [
      "addon",
      addon.loads
        ? addon.current
          ? "built, loads"
          : "loads, but out of date"
        : addon.built
          ? "does not load"
          : "not built",
    ],
  ];
  if (engine) {
    const ours = [
      ...(engine.winograd ? ["3 x 3 convolutions in float32"] : []),
      ...(engine.amx ? ["convolutions in bfloat16 (AMX)"] : []),
      ...(engine.dots ? ["convolutions in bfloat16"] : []),
    ];
    const own = ours.length > 0 ? `; ${ours.join(" and ")} are our own` : "";
    rows.push(
      ["cpu", `libtorch ${engine.libtorch} uses ${engine.capability}${own}`],
      ["gpu", engine.gpu],
      ["precision", `${engine.precision} by default, ${engine.threads} threads`],
      ["training", `works; ${engine.stepMs} ms a step of convnet-tiny, batch 100`],
    );
  }
  if (addon.loads) rows.push(["processes", processesRow(report)]);
  const lines = rows.map(([name, value]) => `${name!.padEnd(10)} ${value}`);
  for (const { what, todo, level } of problems)
    lines.push("", `${level}: ${what}`, ...todo.map((line) => `  - ${line}`));
  return [...lines, "", ok ? "fewlabels can train here." : "fewlabels cannot train here yet; see the errors above."];
}
