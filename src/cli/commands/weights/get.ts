/** `fewlabels weights get NAME`: official weights with checksum, resume and progress. */
import { basename } from "node:path";
import { boolean, number } from "../../../options.js";
import { getWeights, weightsOf } from "../../../pretrained/cache.js";
import { argument, defineCommand } from "../../command.js";
import { downloading } from "../../downloading.js";
import { print } from "../../output.js";

const who = "fewlabels weights get";

export const weightsGet = defineCommand({
  name: "weights get",
  summary: "fetch pretrained weights, with checksum, resume and progress",
  description:
    "Fetch official weights into the cache folder, where `--model.weights NAME` finds them. The checksum is checked; an interrupted download goes on where it stopped; what is there is not fetched again.",
  arguments: { name: argument("a name from `fewlabels weights list`, or of a network: the best of its weights") },
  options: {
    timeout: number(30, { min: 0.1, max: 3600, doc: "seconds without data after which to connect anew" }),
    json: boolean(false, { doc: "print what was done as one JSON line; progress goes to stderr" }),
  },
  examples: ["fewlabels weights get resnet-18.tv1", "fewlabels weights get dinov2-s14"],
  notes:
    "The cache is fewlabels/weights in $XDG_CACHE_HOME or ~/.cache; FEWLABELS_CACHE names another folder, FEWLABELS_MIRROR another server. Without a network, give `--model.weights` a file.",
  async run({ name, ...flags }) {
    const official = weightsOf(name);
    await downloading(who, flags, async ({ rate, ...control }, progress) => {
      let bytes = 0;
      const { path, sha256, fetched } = await getWeights(official, {
        ...control,
        onSize: (size) => {
          bytes = size;
        },
        onBytes: (have) => progress.download(basename(official.url), have, bytes, rate(have)),
      });
      progress.end();
      if (flags.json)
        return print(JSON.stringify({ name: official.name, model: official.model, path, sha256, fetched }));
      print(
        `${official.name} is in ${path}${fetched ? `, checked (sha256 ${sha256})` : "; nothing was fetched"}`,
        `licence: ${official.licence}`,
        `next: fewlabels train --dataset folder --data DIR --model.weights ${official.name}`,
      );
    });
  },
});
