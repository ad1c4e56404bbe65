/** The registry of methods: one row each. */
import { findByName } from "../errors.js";
import { adamatch } from "./adamatch.js";
import { crmatch } from "./crmatch.js";
import { fixmatch } from "./fixmatch.js";
import { flexmatch } from "./flexmatch.js";
import { freematch } from "./freematch.js";
import { ict } from "./ict.js";
import { knn } from "./knn.js";
import { labelPropagation } from "./label-propagation.js";
import { linearProbe } from "./linear-probe.js";
import { meanTeacher } from "./mean-teacher.js";
import { metaPseudoLabels } from "./meta-pseudo-labels.js";
import type { MethodDefinition } from "./method.js";
import { mixmatch } from "./mixmatch.js";
import { piModel } from "./pi-model.js";
import { prototypes } from "./prototypes.js";
import { pseudoLabel } from "./pseudo-label.js";
import { reducedMetaPseudoLabels } from "./reduced-meta-pseudo-labels.js";
import { remixmatch } from "./remixmatch.js";
import { selfTraining } from "./self-training.js";
import { softmatch } from "./softmatch.js";
import { supervised } from "./supervised.js";
import { temporalEnsembling } from "./temporal-ensembling.js";
import { uda } from "./uda.js";
import { vat } from "./vat.js";

export {
  type AugmentName,
  type Batch,
  defineMethod,
  type Method,
  type MethodDefinition,
  type Metrics,
  type OptimizerChanges,
  type Part,
  type Phase,
  type Progress,
  type Setup,
  type ViewSpec,
  type Views,
} from "./method.js";

export {
  adamatch,
  crmatch,
  fixmatch,
  flexmatch,
  freematch,
  ict,
  knn,
  labelPropagation,
  linearProbe,
  meanTeacher,
  metaPseudoLabels,
  mixmatch,
  piModel,
  prototypes,
  pseudoLabel,
  reducedMetaPseudoLabels,
  remixmatch,
  selfTraining,
  softmatch,
  supervised,
  temporalEnsembling,
  uda,
  vat,
};

/** Each with its own name and options, for the types of a run. */
export const packagedMethods = [
  supervised,
  piModel,
  temporalEnsembling,
  meanTeacher,
  pseudoLabel,
  selfTraining,
  vat,
  ict,
  mixmatch,
  remixmatch,
  metaPseudoLabels,
  reducedMetaPseudoLabels,
  uda,
  fixmatch,
  flexmatch,
  freematch,
  softmatch,
  adamatch,
  crmatch,
  prototypes,
  knn,
  linearProbe,
  labelPropagation,
] as const;
export const methods: readonly MethodDefinition[] = packagedMethods;

/** The method of that name. Throws UsageError naming the nearest one. */
export function findMethod(name: string): MethodDefinition {
  return findByName(methods, "method", name).item;
}
