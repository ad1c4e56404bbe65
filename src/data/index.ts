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

export { cifar10, cifar100, digits, folder, imagenet, mnist, shards, svhn, twoMoons };

/** Each with its own name and options, for the types of a run. */
export const packagedDataSets = [cifar10, cifar100, mnist, svhn, imagenet, folder, shards, digits, twoMoons] as const;
export const dataSets: readonly DataSetDefinition[] = packagedDataSets;

/** The data set of that name. Throws UsageError naming the nearest one. */
export function findDataSet(name: string): DataSetDefinition {
  return findByName(dataSets, "data set", name).item;
}

/** What `fewlabels data download` can fetch. */
export const officialData = dataSets.flatMap(({ official }) => (official ? [official] : []));
