/** `fewlabels model NAME`: a network's layers, parameters and multiply-accumulates. */
import { type Command, Option } from "commander";
import { type ModelFacts, modelFacts } from "../../models/model-facts.js";
import { integer, parseOption } from "../../options.js";
import { addFamilyFlags, givenFlags } from "../flags.js";
import { count, table } from "../format.js";
import { print } from "../output.js";
import { models } from "../registries.js";

const sizes = {
  numClasses: integer(undefined, { min: 1, doc: "number of classes" }),
  imageSize: integer(undefined, { min: 1, doc: "height and width of the images in pixels" }),
  channels: integer(undefined, { min: 1, doc: "color channels of the images" }),
};

export function addModel(program: Command): void {
  const command = program
    .command("model")
    .argument("<name>", "network or preset: see `fewlabels list models`")
    .summary("a network's layers, parameters and multiply-accumulates")
    .description("Print a network's layers with their output shapes, parameters and multiply-accumulates.")
    .addOption(new Option("--num-classes <n>", `${sizes.numClasses.doc}; default: the paper's`))
    .addOption(new Option("--image-size <n>", `${sizes.imageSize.doc}; default: the paper's`))
    .addOption(new Option("--channels <n>", `${sizes.channels.doc}; default: the paper's`))
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nExamples:\n  fewlabels model resnet-50\n  fewlabels model cnn-13 --model.width 0.25 --num-classes 100 --json",
    );
  addFamilyFlags(command, models, "model", "Model (--model.KEY):");
  command.action((name: string, values: Record<string, unknown> & { json?: boolean }) => {
    const facts = modelFacts(name, modelOptions(values), inputSize(values));
    if (values.json) print(JSON.stringify(modelJson(name, facts)));
    else print(...modelLines(name, facts));
  });
}

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

function modelOptions(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const given = givenFlags(values, ["json", ...Object.keys(sizes)], "fewlabels model");
  return Object.fromEntries([...given].map(([key, value]) => [key.replace(/^model\./, ""), value]));
}

function inputSize(values: Readonly<Record<string, unknown>>) {
  const read = (key: keyof typeof sizes, flag: string) =>
    values[key] === undefined ? undefined : parseOption(sizes[key], flag, values[key], "fewlabels model");
  const side = read("imageSize", "--image-size");
  const [numClasses, channels] = [read("numClasses", "--num-classes"), read("channels", "--channels")];
  return {
    ...(side === undefined ? {} : { height: side, width: side }),
    ...(numClasses === undefined ? {} : { numClasses }),
    ...(channels === undefined ? {} : { channels }),
  };
}
