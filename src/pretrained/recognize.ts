/** Which of our networks a set of tensors belongs to. */
import type { RawTensor } from "../files/safetensors.js";
import { CIFAR_INPUT, findModel } from "../models/index.js";
import { NEIGHBORS, namedBuffers, namedParameters, withoutValues } from "../nn/index.js";
import { parseOptions } from "../options.js";

/** Networks that people bring weights of, those with many presets last: without presets by their defaults. */
const BROUGHT = ["resnet", "mobilenet-v2", "mobilenet-v3", "convnext", "vit", "resnext", "wide-resnet", "efficientnet"];
/** Said of a network that `recognize` does not know, the networks of most runs among them. */
export const notRecognized = `not recognized by its tensors, as only ${BROUGHT.slice(0, -1).join(", ")} and ${BROUGHT.at(-1)} are`;

/** Without these a hundred million numbers would be named in vain. */
const TOO_LARGE = /efficientnet-(b6-wide|l2)|resnext-152/;

export interface Recognized {
  /** As `--model` takes it. */
  readonly model: string;
  /** Classes of its head; undefined where the file has none. */
  readonly numClasses: number | undefined;
}

/** The network whose tensors have exactly these names and shapes, head and number of positions apart; `tensors` in our names. */
export function recognize(tensors: ReadonlyMap<string, RawTensor>): Recognized | undefined {
  for (const { definition } of BROUGHT.map(findModel)) {
    const presets = Object.entries(definition.presets).filter(([name]) => !TOO_LARGE.test(name));
    const candidates: [string, Readonly<Record<string, unknown>>][] =
      presets.length > 0 ? presets : [[definition.name, {}]];
    for (const [model, preset] of candidates) {
      const head = withoutValues(() => {
        const network = definition.create(
          definition.input ?? CIFAR_INPUT,
          parseOptions(definition.options, { ...preset }, model),
        );
        const own = [...namedParameters(network), ...namedBuffers(network)];
        const found = fits(
          own.map(({ name, tensor }) => ({ name, shape: tensor.shape })),
          network.heads,
          tensors,
        );
        for (const { tensor } of own) tensor.release();
        return found;
      });
      if (head) return { model, numClasses: head.numClasses };
    }
  }
  return undefined;
}

interface Named {
  readonly name: string;
  readonly shape: readonly number[];
}

function fits(own: readonly Named[], heads: readonly string[], tensors: ReadonlyMap<string, RawTensor>) {
  const isHead = (name: string) => [...heads, NEIGHBORS].some((head) => name.startsWith(`${head}.`));
  const body = own.filter(({ name }) => !isHead(name));
  const theirs = [...tensors.keys()].filter((name) => !isHead(name));
  if (theirs.length !== body.length) return undefined;
  for (const { name, shape } of body) {
    const found = tensors.get(name)?.shape;
    const same = found?.length === shape.length && found.every((n, i) => n === shape[i] || isPositions(name, i));
    if (!same) return undefined;
  }
  const classes = own.filter(({ name }) => isHead(name) && name.endsWith(".weight")).at(-1)?.name;
  return { numClasses: classes === undefined ? undefined : tensors.get(classes)?.shape[0] };
}

/** The table of positions is resampled to the size of the pictures. */
function isPositions(name: string, axis: number): boolean {
  return name === "encoder.pos_embedding" && axis === 1;
}
