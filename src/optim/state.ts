/** Per-parameter running tensors of an optimizer, by name, so that a checkpoint can hold them. */
import { DataError } from "../errors.js";
import type { NamedTensor } from "../nn/model.js";
import type { State } from "../stateful.js";
import { noGrad, scope, type Tensor, zerosLike } from "../torch/index.js";

/** One zero tensor for each parameter, in its layout, kept beyond scopes. */
export function zeroSlots(parameters: readonly NamedTensor[]): Tensor[] {
  return noGrad(() => parameters.map(({ tensor }) => zerosLike(tensor).keep()));
}

/** `{ "m.conv1.weight": ... }` */
export function nameSlots(
  parameters: readonly NamedTensor[],
  slots: Readonly<Record<string, readonly Tensor[]>>,
): Record<string, Tensor> {
  const named: Record<string, Tensor> = {};
  for (const [slot, tensors] of Object.entries(slots)) {
    for (const [index, { name }] of parameters.entries()) named[`${slot}.${name}`] = tensors[index]!;
  }
  return named;
}

/** Copies saved tensors into the ones that are in use. Throws DataError naming what does not fit. */
export function restoreTensors(who: string, own: Readonly<Record<string, Tensor>>, saved: State["tensors"]): void {
  const shapeOf = (t: Tensor) => `[${t.shape.join(", ")}]`;
  for (const name of Object.keys(saved)) {
    if (!(name in own)) throw new DataError(`${who}: unexpected tensor "${name}" in the saved state`);
  }
  for (const [name, tensor] of Object.entries(own)) {
    const source = saved[name];
    if (!source) throw new DataError(`${who}: the saved state lacks the tensor "${name}"`);
    if (shapeOf(source) !== shapeOf(tensor)) {
      throw new DataError(
        `${who}: expected "${name}" to be ${shapeOf(tensor)}, the saved state has ${shapeOf(source)}`,
      );
    }
  }
  scope(() =>
    noGrad(() => {
      for (const [name, tensor] of Object.entries(own)) tensor.copy_(saved[name]!);
    }),
  );
}

/** A saved number. Throws DataError where it is missing. */
export function restoreNumber(who: string, values: State["values"], name: string): number {
  const value = values[name];
  if (typeof value === "number") return value;
  throw new DataError(`${who}: expected a number "${name}" in the saved state, got ${JSON.stringify(value)}`);
}
