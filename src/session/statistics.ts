/** Whether the running statistics of batch norm get anywhere in a run of this length. */
import type { Module } from "../nn/index.js";

/** Up to here nobody is told: PyTorch's usual figure, right after a few dozen steps. */
const USUAL = 0.9;
/** Share of the start that may be left in the statistics of the end. */
const MAY_BE_LEFT = 0.1;

/** A remark where, after `steps` steps, a good part of the running statistics still is the 0 and 1 they started from. */
export function slowStatistics(network: Module, steps: number): string[] {
  const keep = slowest(network);
  const left = keep ** steps;
  if (keep <= USUAL || left < MAY_BE_LEFT) return [];
  return [
    `batch norm of this network keeps ${keep} of its running statistics a step: after ${steps} steps they still are by ${Math.round(100 * left)} % what they ` +
      "started from, and the student is evaluated with them (an average of it has its own). Take --model.norm-keep 0.9 or more steps",
  ];
}

function slowest({ keepsStatistics = 0, children }: Module): number {
  return Math.max(keepsStatistics, ...Object.values(children).map(slowest));
}
