/**
 * What the GPU's kernels compute, without a GPU: their files are compiled by the C++ compiler, block for block and thread for thread
 * (`host/cuda_runtime.h`), and compared with the CPU's kernels. Skipped, saying so, where there is no compiler or no engine.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { findCompiler } from "../../scripts/setup/compile.mjs";
import { Rng } from "../../src/rng.js";
import {
  batchNormLeakyRelu,
  dropout,
  maxPool2d,
  normal,
  type Spread,
  scope,
  type Tensor,
  tensor,
  uniform,
  whole,
} from "../../src/torch/index.js";
import { enginePresent } from "../support/engine.js";
import "../support/matchers.js";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const compiler = findCompiler();
if (!compiler) console.warn("skipping the GPU's kernels on the CPU: no C++ compiler");

/** `kernel<<<grid, block, shared, stream>>>(arguments)` -> a call that runs it here. */
function withoutLaunches(source: string): string {
  const launch = /([A-Za-z_]\w*(?:<(?:[^<>]|<[^<>]*>)*>)?)\s*<<<([\s\S]*?)>>>\(/;
  for (let found = launch.exec(source); found; found = launch.exec(source)) {
    const start = found.index + found[0].length;
    let end = start;
    for (let depth = 1; depth > 0; end++) depth += source[end] === "(" ? 1 : source[end] === ")" ? -1 : 0;
    const call = `launch_on_host(${found[2]}, [=] { ${found[1]}(${source.slice(start, end - 1)}); })`;
    source = source.slice(0, found.index) + call + source.slice(end);
  }
  return source;
}

const folder = mkdtempSync(join(tmpdir(), "kernels-on-host-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const built = new Map<string, string>();

/** The program `host/NAME.cc` around native/kernels_NAME.cu. */
function program(name: "norm" | "pool" | "cuda"): string {
  const known = built.get(name);
  if (known) return known;
  const [source, program] = [join(folder, `${name}.cc`), join(folder, name)];
  writeFileSync(source, withoutLaunches(readFileSync(here(`../../native/kernels_${name}.cu`), "utf8")));
  const includes = [here("host"), here("../../native")].map((path) => `-I${path}`);
  const args = ["-std=c++17", "-O1", "-ffp-contract=off", "-w", `-DKERNELS="${source}"`, ...includes];
  const { path, flags, linkFlags, env } = compiler!;
  const all = [...flags, ...args, here(`host/${name}.cc`), "-o", program, ...linkFlags];
  const { status, stderr } = spawnSync(path, all, { encoding: "utf8", env });
  expect(status, stderr).toBe(0);
  built.set(name, program);
  return program;
}

function output(program: string, args: string[], input?: Buffer): Float32Array {
  const { status, stdout, signal } = spawnSync(program, args, { input, maxBuffer: 1 << 28 });
  expect(signal ?? status).toBe(0);
  return new Float32Array(new Uint8Array(stdout).buffer);
}

/** A task (host/tasks.h), and what comes out cut into pieces of these lengths. */
function run(program: string, task: number[], tensors: Float32Array[], lengths: number[]): number[][] {
  const head = BigInt64Array.from({ length: 8 }, (_, i) => BigInt(task[i] ?? 0));
  const bytes = [head, ...tensors].map((a) => Buffer.from(a.buffer, a.byteOffset, a.byteLength));
  const all = output(program, [], Buffer.concat(bytes));
  expect(all.length).toBe(lengths.reduce((a, b) => a + b));
  const ends = lengths.map((_, i) => lengths.slice(0, i + 1).reduce((a, b) => a + b));
  return lengths.map((length, i) => Array.from(all.subarray(ends[i]! - length, ends[i])));
}

describe.skipIf(!compiler || !enginePresent)("the GPU's kernels, run on the CPU", () => {
  const rng = Rng.fromSeed(7);
  const draw = (count: number, f: () => number) => Float32Array.from({ length: count }, f);
  const count = (sizes: number[]) => sizes.reduce((a, b) => a * b);

  const norms = [
    { rows: 700, channels: 12 },
    { rows: 130, channels: 7 },
    { rows: 90, channels: 136 },
    { rows: 2, channels: 4 },
    { rows: 3000, channels: 1 },
    { rows: 320_000, channels: 1 }, // more rows a thread than it fetches at once
    { rows: 400, channels: 16, bf16: true },
    { rows: 60, channels: 264, bf16: true },
    { rows: 33, channels: 9, bf16: true },
    { rows: 200, channels: 16, shared: true },
    { rows: 200, channels: 10, bf16: true, shared: true },
    { rows: 50, channels: 8, fixed: true },
    { rows: 500, channels: 12, meanOnly: true },
    { rows: 200, channels: 10, bf16: true, meanOnly: true },
    { rows: 200, channels: 16, shared: true, meanOnly: true },
    { rows: 50, channels: 8, fixed: true, meanOnly: true },
  ];
  test.each(norms)("batch norm with leaky ReLU and its gradient: %o", ({ rows, channels, ...options }) => {
    const { bf16 = false, shared = false, fixed = false, meanOnly = false } = options as Record<string, boolean>;
    const [x, grad] = [draw(rows * channels, () => 2 + 3 * rng.normal()), draw(rows * channels, () => rng.normal())];
    const [weight, bias] = [draw(channels, () => 0.5 + rng.float()), draw(channels, () => rng.normal())];
    const [mean, variance] = [draw(channels, () => rng.normal()), draw(channels, () => 0.5 + rng.float())];
    const task = [bf16 ? 1 : 0, rows, channels, shared ? 1 : 0, fixed ? 0 : 1, meanOnly ? 1 : 0];
    const sizes = [rows * channels, rows * channels, channels, channels, channels, channels];
    const got = run(program("norm"), task, [x, grad, weight, bias, mean, variance], sizes);
    const want = scope(() => {
      const type = bf16 ? "bfloat16" : "float32";
      const vector = (data: Float32Array) => tensor(data, [channels]);
      const input = tensor(x, [rows, channels]).to(type).requiresGrad_();
      const [w, b, m, v] = [
        vector(weight).requiresGrad_(),
        vector(bias).requiresGrad_(),
        vector(mean),
        vector(variance),
      ];
      const running = { runningMean: m, runningVar: meanOnly ? undefined : v };
      const settings = { ...running, training: !fixed, momentum: 0.1, eps: 1e-5, meanOnly };
      const y = batchNormLeakyRelu(input, { weight: w, bias: b, ...settings }, 0.1);
      y.mul(tensor(grad, [rows, channels]).to(type))
        .float()
        .sum()
        .backward();
      return [y, input.grad!, w.grad!, b.grad!, m, v].map((t) => t.float().toNumbers());
    });
    const step = bf16 ? 2 ** -7 : 2e-5; // the two may round to neighbors where their means differ in the last bit
    const sums = { rtol: bf16 ? 1e-3 : 1e-4, atol: (bf16 ? 1e-2 : 1e-4) * Math.sqrt(rows) };
    const tolerances = [{ rtol: step, atol: step }, { rtol: step, atol: step }, sums, sums];
    for (const [i, values] of got.entries()) {
      expect(values).toBeCloseToTensor(want[i]!, tolerances[i] ?? { rtol: 1e-5, atol: 1e-5 });
    }
  });

  const pools = [
    { shape: [2, 6, 8, 12] },
    { shape: [3, 5, 7, 4] },
    { shape: [1, 3, 3, 1] },
    { shape: [2, 7, 4, 16], bf16: true },
    { shape: [2, 4, 5, 3], bf16: true },
  ];
  test.each(pools)("2 x 2 pooling and its gradient, to the bit: %o", ({ shape, bf16 = false }) => {
    const [n, h, w, c] = shape as [number, number, number, number];
    const windows = [n, Math.floor(h / 2), Math.floor(w / 2), c];
    const x = draw(count(shape), () => Math.round(2 * rng.normal())); // ties
    const grad = draw(count(windows), () => rng.normal());
    const got = run(program("pool"), [bf16 ? 1 : 0, n, h, w, c], [x, grad], [grad.length, x.length]);
    const want = scope(() => {
      const type = bf16 ? "bfloat16" : "float32";
      const image = (data: Float32Array, sizes: number[]) => channelsFirst(tensor(data, sizes)).to(type);
      const input = image(x, shape).contiguous("channelsLast").requiresGrad_();
      const y = maxPool2d(input, 2);
      y.mul(image(grad, windows)).float().sum().backward();
      return [y, input.grad!].map((t) => channelsLast(t.float()).toNumbers());
    });
    expect(got).toEqual(want);
  });

  test("steps of many tensors at once, aligned and not, to the bit", () => {
    const sizes = [5, 1, 4096, 0, 9001, 70];
    const updates: ((a: number, b: number, c: number) => number)[] = [
      (a) => a * 0.5,
      (a) => a + 0.5,
      (a, b) => a + 0.5 * b,
      (a, b, c) => a + 0.5 * b * c,
      (a, b, c) => a + (0.5 * b) / c,
    ];
    for (const [what, update] of updates.entries()) {
      const want = sizes.flatMap((n) =>
        Array.from({ length: n }, (_, i) => update(1 + (i % 7), (i % 5) - 2, 2 ** (i % 3))),
      );
      expect(Array.from(output(program("cuda"), ["multi", String(what)]))).toEqual(want);
    }
  });

  test("draws, told and read from memory, rows of one process and of three: the CPU's bits", () => {
    const spreads: Spread[] = [whole, { rank: 1, size: 3 }];
    const make: Record<string, (shape: number[], source: Rng, spread: Spread) => Tensor> = {
      dropout: (shape, source, spread) =>
        dropout(tensor(new Float32Array(count(shape)).fill(1), shape), 0.5, source, spread),
      normal: (shape, source, spread) => normal(shape, 0.25, 1.5, source, spread),
      uniform: (shape, source, spread) => uniform(shape, -2, 3, source, spread),
    };
    for (const [which, f] of Object.entries(make)) {
      for (const shape of [
        [1, 7],
        [5, 77],
        [4, 300],
      ]) {
        for (const spread of spreads) {
          const source = new Rng({ key: [11, 0xfffffff0], drawn: 4 * (2 ** 32 - 3) }); // the counter passes 2^32 on the way
          const numbers = [...source.key, 2 ** 32 - 3].map(String);
          const want = scope(() => f(shape, source, spread).toNumbers());
          for (const told of ["call", "memory"]) {
            const rows = [count(shape) / shape[0]!, spread.rank, spread.size].map(String);
            const got = output(program("cuda"), [which, String(count(shape)), ...rows, ...numbers, told]);
            expect(Array.from(got)).toEqual(want);
          }
        }
      }
    }
  });
});

const channelsFirst = (t: Tensor) => t.transpose(2, 3).transpose(1, 2);
const channelsLast = (t: Tensor) => t.transpose(1, 2).transpose(2, 3);
