/** The registry of methods: one row each. */
import { findByName } from "../errors.js";
import { meanTeacher } from "./mean-teacher.js";
import type { MethodDefinition } from "./method.js";
import { piModel } from "./pi-model.js";
import { supervised } from "./supervised.js";

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

export const methods: readonly MethodDefinition[] = [
  supervised,
  piModel,
  meanTeacher,
] as unknown as readonly MethodDefinition[];

/** The method of that name. Throws UsageError naming the nearest one. */
export function findMethod(name: string): MethodDefinition {
  return findByName(methods, "method", name);
}
