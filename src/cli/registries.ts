/** Everything that has options, in one place for flags, checks, help and `list`. */

import type { Registries } from "../config/resolve.js";
import { dataSets } from "../data/index.js";
import { methods } from "../methods/index.js";
import { models } from "../models/index.js";
import { optimizerOptions } from "../optim/index.js";

export const registries: Registries = { methods, models, dataSets, optimizer: optimizerOptions };
export { dataSets, methods, models };
