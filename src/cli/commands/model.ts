/** `fewlabels model NAME`: a network's layers, parameters and multiply-accumulates. */
import type { Given } from "../../config/given.js";
import { UsageError } from "../../errors.js";
import { sharedModelOptions } from "../../models/index.js";
import { type ModelFacts, modelFacts } from "../../models/model-facts.js";
import { boolean, integer, type OptionsOf } from "../../options.js";
import { argument, defineCommand } from "../command.js";
import { count, table } from "../format.js";
import { print } from "../output.js";

const options = {
  numClasses: integer(undefined, { min: 1, doc: "number of classes; default: the paper's" }),
  imageSize: integer(undefined, { min: 1, doc: "height and width of the images in pixels; default: the paper's" }),
  channels: integer(undefined, { min: 1, doc: "color channels of the images; default: the paper's" }),
  json: boolean(false, { doc: "print one JSON object" }),
} as const;

export const model = defineCommand({
  name: "model",
  summary: "layer table, parameters, multiply-accumulates",
  description: "Print a network's layers with their output shapes, parameters and multiply-accumulates.",
  arguments: { name: argument("network or preset: see `fewlabels list models`") },
  options,
  takes: "model",
  examples: ["fewlabels model resnet-50", "fewlabels model cnn-13 --model.width 0.25 --num-classes 100 --json"],
  run({ name, json, ...sizes }, { given, externals: { catalog, modules } }) {
    const called = modules.model === undefined ? name : catalog.models[0]!.name; // what was loaded comes first
    const facts = modelFacts(called, modelOptions(given), inputSize(sizes), catalog.models);
    if (json) print(JSON.stringify(modelJson(name, facts)));
    else print(...modelLines(name, facts));
  },
});

/** The object of `--json`; `input` is `[C, H, W]`. */
export function modelJson(name: string, { parameters, multiplyAccumulates, input, layers }: ModelFacts) {
  const { channels, height, width } = input;
  return { name, parameters, multiplyAccumulates, input: [channels, height, width], layers };
}

/** The same for people. */
export function modelLines(name: string, facts: ModelFacts): string[] {
  const { input, layers, parameters, multiplyAccumulates, memoryMB } = facts;
  const shape = (sizes: readonly number[]) => sizes.join(" x ");
  const number = (n: number) => (n === 0 ? "" : count(n));
  const rows = layers.map((l) => [
    l.name,
    l.type,
    shape(l.output),
    number(l.parameters),
    number(l.multiplyAccumulates),
  ]);
  return [
    ...table([["layer", "type", "output", "parameters", "multiply-accumulates"], ...rows]),
    "",
    `${name} for images of ${shape([input.channels, input.height, input.width])} and ${count(input.numClasses)} classes: ` +
      `${count(parameters)} parameters, ${count(multiplyAccumulates)} multiply-accumulates an image.`,
    `About ${memoryMB.weights} MB of weights and ${memoryMB.activationsPerImage} MB of layer outputs an image, in fp32.`,
  ];
}

/** Throws UsageError on an option that says how a network starts or is trained, not what it is. */
function modelOptions(given: Given): Record<string, unknown> {
  const named = [...given].map(([key, value]) => [key.replace(/^model\./, ""), value] as const);
  const idle = named.find(([name]) => Object.hasOwn(sharedModelOptions, name));
  if (!idle) return Object.fromEntries(named);
  throw new UsageError(
    `fewlabels model: --model.${idle[0]} has no effect on a network's layers. Leave it out; \`fewlabels weights info\` says what weights hold`,
  );
}

function inputSize({ numClasses, imageSize, channels }: Omit<OptionsOf<typeof options>, "json">) {
  return {
    ...(imageSize === undefined ? {} : { height: imageSize, width: imageSize }),
    ...(numClasses === undefined ? {} : { numClasses }),
    ...(channels === undefined ? {} : { channels }),
  };
}
