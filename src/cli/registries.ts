/** Everything that has options, in one place for flags, checks, help and `list`. */
import { dataSets } from "../data/index.js";
import { methods } from "../methods/index.js";
import { models } from "../models/index.js";
import { optimizerOptions } from "../optim/index.js";
import type { Registries } from "../train/config.js";

export const registries: Registries = { methods, models, dataSets, optimizer: optimizerOptions };
export { dataSets, methods, models };
