/** The data sets, by name. */
import { findByName } from "../errors.js";
import { cifar10 } from "./cifar10.js";
import { cifar100 } from "./cifar100.js";
import type { DataSetDefinition } from "./dataset.js";
import { digits } from "./digits.js";
import { folder } from "./folder.js";
import { imagenet } from "./imagenet.js";
import { mnist } from "./mnist.js";
import { shards } from "./shards.js";
import { svhn } from "./svhn.js";
import { twoMoons } from "./two-moons.js";

export const dataSets: readonly DataSetDefinition[] = [
  cifar10 as DataSetDefinition,
  cifar100 as unknown as DataSetDefinition,
  mnist as DataSetDefinition,
  svhn as unknown as DataSetDefinition,
  imagenet as unknown as DataSetDefinition,
  folder as unknown as DataSetDefinition,
  shards as unknown as DataSetDefinition,
  digits as unknown as DataSetDefinition,
  twoMoons as unknown as DataSetDefinition,
];

/** The data set of that name. Throws UsageError naming the nearest one. */
export function findDataSet(name: string): DataSetDefinition {
  return findByName(dataSets, "data set", name);
}
