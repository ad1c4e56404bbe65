/**
 * Two ways to train with less memory, both by running forward passes twice: activation checkpointing, where each segment
 * of the network keeps its input alone, and batches processed in chunks of rows, one chunk's graph at a time.
 */
import { Rng } from "../rng.js";
import { cat, gradEnabled, recompute, type Tensor, tensor } from "../torch/index.js";
import type { Heads } from "./model.js";
import type { Module, Pass } from "./module.js";

/** Marks a part of a network as a segment: with `pass.recompute` its activations are made again for the backward pass. */
export function segment(module: Module): Module {
  return {
    ...module,
    forward(x, pass) {
      if (!pass.recompute) return module.forward(x, pass);
      return runTwice(x, { ...pass, recompute: undefined }, (h, again) => [module.forward(h, again)])[0]!;
    },
  };
}

/** The second run repeats the draws of the first and leaves running statistics alone. */
function runTwice(x: Tensor, pass: Pass, forward: (x: Tensor, pass: Pass) => readonly Tensor[]): readonly Tensor[] {
  const draws = pass.rng.state();
  const { around = (body) => body() } = pass;
  let runs = 0;
  return recompute([x], ([h]) => {
    const now = runs++ === 0 ? pass : { ...pass, rng: new Rng(draws), updateStatistics: false };
    return around(() => forward(h!, now));
  });
}

/**
 * `forward` over `chunks` groups of rows of x: rows k, k + chunks, k + 2 chunks, ... make a group, so that each has its share
 * of whatever x was joined of (labeled, weak, strong rows), and batch norm sees a small image of the whole batch, as in
 * FixMatch's code. With a graph, one group's activations at a time. The rows come back in their order.
 */
export function inChunks(x: Tensor, pass: Pass, chunks: number, forward: (x: Tensor, pass: Pass) => Heads): Heads {
  const rows = x.size(0);
  const groups = Math.max(1, Math.min(chunks, rows));
  const parts: (readonly Tensor[])[] = [];
  for (let k = 0; k < groups; k++) {
    const part = x.everyNth(0, k, groups);
    const heads = (h: Tensor, now: Pass) => {
      const { logits, consistency } = forward(h, now);
      return consistency === logits ? [logits] : [logits, consistency];
    };
    parts.push(gradEnabled() ? runTwice(part, pass, heads) : heads(part, pass));
  }
  const order = Int32Array.from({ length: rows }, (_, row) => placeOf(row, rows, groups));
  const places = tensor(order, [rows], "int64").toDevice(x.device);
  const joined = (head: number) => cat(parts.map((part) => part[head]!)).indexSelect(0, places);
  const logits = joined(0);
  return { logits, consistency: parts[0]!.length === 1 ? logits : joined(1) };
}

/** Where row `row` of `rows` lies when the groups lie one after the other. The first `rows % groups` groups have one row more. */
function placeOf(row: number, rows: number, groups: number): number {
  const [k, at] = [row % groups, Math.floor(row / groups)];
  return k * Math.floor(rows / groups) + Math.min(k, rows % groups) + at;
}
