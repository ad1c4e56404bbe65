// Where the time of a Mean Teacher step on an NVIDIA GPU goes, kernel by kernel: ours, or with --peer PyTorch's.
//   node bench/gpu-profile.mjs OUT.json [--steps 200] [--width 1] [--peer] [--mode graphs|eager] [--python python3] [-- options of ours]
// Looks at the last half of the measured steps. Tracing costs time: take step times from scripts/gpu-check.mjs, shares from here.
// The peer's modes are also its script's (compile). Exit code 2 where there is no GPU or no CUPTI, 1 where the run fails.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { engineInfo } from "fewlabels/internal";
import { readJson } from "../scripts/setup/common.mjs";
import { cardName } from "../scripts/setup/cuda.mjs";
import { compileTracer, findCupti, nvidiaFolders } from "./cupti.mjs";
import { lastSteps, profileOf, readTrace, tables } from "./gpu-kernels.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    steps: { type: "string", default: "200" },
    width: { type: "string", default: "1" },
    peer: { type: "boolean", default: false },
    mode: { type: "string", default: "graphs" },
    python: { type: "string", default: "python3" },
  },
});
const [out, ...more] = positionals;
const modes = values.peer ? ["graphs", "compile", "eager"] : ["graphs", "eager"];
const steps = Number(values.steps);
if (!out || !modes.includes(values.mode) || !(steps >= 20)) {
  stop(
    `usage: node bench/gpu-profile.mjs OUT.json [--steps N, at least 20] [--width W] [--peer] [--mode ${modes.join("|")}] [-- options of ours]`,
  );
}
const engine = engineInfo();
if (engine.cuda === 0) stop(`no GPU: libtorch ${engine.libtorch} sees no CUDA device; \`fewlabels doctor\` says why`);
const cupti = findCupti(nvidiaFolders(values.python));
if (!cupti)
  stop("no CUPTI: neither Python's NVIDIA packages nor a CUDA toolkit (CUDA_HOME) have cupti.h and libcupti.so");

const folder = mkdtempSync(join(tmpdir(), "fewlabels-profile-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
try {
  const tracer = join(folder, "gpu_kernels.so");
  const problem = await compileTracer(cupti, tracer);
  if (problem !== undefined)
    stop(`bench/gpu_kernels.cc does not compile against ${cupti.folder}/${cupti.library}:\n${problem}`);
  const stepMs = measure(tracer);
  const trace = largest(join(folder, "traces"));
  const kernels = readTrace(trace);
  const profile = profileOf(kernels, lastSteps(kernels, Math.floor(steps / 2), stepMs));
  const record = {
    date: new Date().toISOString().slice(0, 10),
    machine: { gpu: cardName(), ...engine, cupti: cupti.library },
    task: `mean-teacher, cnn-13, batch 100 (25 labeled), bf16${more.length ? ` ${more.join(" ")}` : ""}; microseconds of a step, traced`,
    who: values.peer ? "PyTorch" : "ours",
    mode: values.mode,
    width: Number(values.width),
    stepMs,
    recorded: kernels.length,
    dropped: trace.dropped,
    ...profile,
    kernels: profile.kernels.map((row) => ({ ...row, name: row.name.slice(0, 1500) })),
  };
  writeFileSync(out, `${JSON.stringify(record, null, 2)}\n`);
  console.log(
    `${record.who}, ${values.mode}, width ${values.width}: ${stepMs.toFixed(2)} ms a step, as the run measured it, traced`,
  );
  for (const line of tables(profile)) console.log(line);
  if (trace.dropped > 0) console.error(`${trace.dropped} records were lost: the sums are too small`);
  if (Math.abs(profile.span / 1000 / stepMs - 1) > 0.1)
    console.error("the steps of the trace and of the clock differ by more than 10 %: calls a step may be wrong");
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

/** Runs the steps with the tracer; milliseconds of a step. @param {string} tracer */
function measure(tracer) {
  const traces = join(folder, "traces");
  mkdirSync(traces);
  const env = { ...process.env, CUDA_INJECTION64_PATH: tracer, FEWLABELS_GPU_KERNELS: traces };
  const here = (/** @type {string} */ path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
  const common = ["--steps", values.steps, "--warmup", "50"];
  const [command, args] = values.peer
    ? [
        values.python,
        [here("bench/torch_cuda_mean_teacher.py"), ...common, "--width", values.width, "--mode", values.mode],
      ]
    : [
        process.execPath,
        [
          here("bin/fewlabels.js"),
          ...["bench", "--device", "cuda", ...common, "--model.width", values.width, "--json", ...more],
        ],
      ];
  if (!values.peer && values.mode === "eager") args.push("--cuda-graphs", "false");
  const { status, signal, stdout, stderr } = spawnSync(command, args, { encoding: "utf8", env, timeout: 400_000 });
  const line = stdout?.trim().split("\n").at(-1) ?? "";
  if (status !== 0) {
    const problem = `${[command, ...args].join(" ")}: exit ${status ?? signal}\n${stderr?.slice(-2000)}`;
    // A process that fails while it ends has measured, and may have left its trace.
    if (!line.startsWith("{")) throw new Error(problem);
    console.error(problem);
  }
  const told = stderr.split("\n").filter((line) => line.startsWith("gpu_kernels:"));
  if (told.length) console.error(told.join("\n"));
  const result = JSON.parse(line);
  return Number(values.peer ? result.step_ms : 1000 * result.stepSecondsMedian);
}

/** Processes that a run starts may have opened CUDA too: theirs are the small files. @param {string} traces */
function largest(traces) {
  const files = readdirSync(traces).map((name) => join(traces, name));
  const [file] = files.sort((a, b) => statSync(b).size - statSync(a).size);
  const trace = file && readJson(file);
  if (!trace)
    throw new Error("the run left no trace: CUDA did not load the tracer, or the process did not end by itself");
  return trace;
}

/** @param {string} message @returns {never} */
function stop(message) {
  console.error(message);
  process.exit(2);
}
