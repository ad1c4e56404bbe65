/** `fewlabels weights info NAME|FILE`: whose weights they are, and which network they fit. */
import { readWeightsFile } from "../../../files/torch-file.js";
import { boolean } from "../../../options.js";
import { cached, findWeights, isWeightsFile, weightsOf } from "../../../pretrained/cache.js";
import { inOurNames } from "../../../pretrained/names.js";
import { notRecognized, recognize } from "../../../pretrained/recognize.js";
import { argument, defineCommand } from "../../command.js";
import { count } from "../../format.js";
import { print } from "../../output.js";

export const weightsInfo = defineCommand({
  name: "weights info",
  summary: "whose weights they are, and which network they fit",
  description:
    "Tell what is known of official weights, or what is in a file: torch.save's (.pth, .pt, .bin) or safetensors. Nothing in a file is executed.",
  arguments: { weights: argument("a name from `fewlabels weights list`, or a file") },
  options: { json: boolean(false, { doc: "print one JSON object" }) },
  examples: ["fewlabels weights info resnet-50.tv2", "fewlabels weights info downloads/model.pth --json"],
  run({ weights, json }) {
    const official = isWeightsFile(weights) ? undefined : (findWeights(weights) ?? weightsOf(weights));
    const here = official && cached(official);
    const path = official ? here?.path : weights;
    const facts = { ...official, path: path ?? null, ...(path === undefined ? {} : factsOf(path)) };
    if (json) return print(JSON.stringify(facts));
    if (official) {
      const { name, model, url, licence, accuracy, size, resize, normalize, interpolation, megabytes } = official;
      print(
        `${name}: ${model}, ${accuracy} % on ImageNet, ${megabytes} MB, ${licence}`,
        `from ${url}`,
        `pictures: ${size} px (short side to ${resize}, center cut out), ${interpolation}, normalize ${normalize}`,
        here ? `here: ${here.path} (sha256 ${here.sha256})` : `not here yet: fewlabels weights get ${name}`,
      );
    }
    if (path === undefined) return;
    const { tensors, numbers, under, network, numClasses } = factsOf(path);
    print(
      `${path}: ${count(tensors)} tensors, ${count(numbers)} numbers${under.length > 0 ? `, below "${under.join('" "')}"` : ""}`,
      network
        ? `a ${network}${numClasses === null ? " without a head" : ` for ${count(numClasses)} classes`}; use --model ${network}`
        : `the network is ${notRecognized}. Say it with --model; a run's config.json names it`,
    );
  },
});

function factsOf(path: string) {
  const { tensors, taken } = readWeightsFile(path);
  const network = recognize(inOurNames(tensors));
  return {
    tensors: tensors.size,
    numbers: [...tensors.values()].reduce((sum, { shape }) => sum + shape.reduce((product, n) => product * n, 1), 0),
    under: taken,
    network: network?.model ?? null,
    numClasses: network?.numClasses ?? null,
  };
}
