/** An experiment of seconds: two methods on two moons, in a folder of its own. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export const tinyText = `
title: Tiny
paper: none
profile: as-is
seeds: { small: [1, 2] }
settings:
  dataset: { name: two-moons, train: 200, test: 200 }
  labels: 10
  batch: 20
  labeledBatch: 10
  steps: 300
  evalEvery: 100
  model: mlp-two-moons
  optimizer: { name: sgd, lr: 0.3, schedule: constant }
rows:
  supervised: { method: supervised }
  pi-model: { method: pi-model }
published:
  source: nowhere
  mark: T
  values:
    supervised: { all: 12.5 +- 0.5 }
    somebody else: { all: 9 }
claims:
  - { text: the Pi-model is better, better: pi-model, worse: supervised }
`;

/** Writes it, with changes, and returns its path. */
export function writeTiny(folder: string, change: (text: string) => string = (text) => text): string {
  const file = join(folder, "tiny.yaml");
  writeFileSync(file, change(tinyText));
  return file;
}
