/** A folder that `pipeline("image-classification", FOLDER)` of transformers.js loads as it is, in Node and in the browser. */

import type { ExportFacts } from "../facts.js";
import type { Dtype } from "../onnx/shrink.js";

/** Where transformers.js looks for the network of each dtype, and what it calls it. */
export const dtypeFiles = {
  fp32: { file: "onnx/model.onnx", name: "fp32" },
  fp16: { file: "onnx/model_fp16.onnx", name: "fp16" },
  int8: { file: "onnx/model_quantized.onnx", name: "q8" },
} as const satisfies Record<Dtype, { readonly file: string; readonly name: string }>;

/** `config.json`. `resnet` stands for any network there: what computes is the ONNX file. */
export function transformersConfig({ classes, input }: ExportFacts, dtype: Dtype): object {
  return {
    model_type: "resnet",
    architectures: ["ResNetForImageClassification"],
    num_channels: 3,
    image_size: input.height,
    num_labels: classes.length,
    id2label: Object.fromEntries(classes.map((name, k) => [String(k), name])),
    label2id: Object.fromEntries(classes.map((name, k) => [name, k])),
    // Without it a browser asks for model_quantized.onnx, which need not be there.
    "transformers.js_config": { dtype: dtypeFiles[dtype].name, use_external_data_format: false },
  };
}

/** `preprocessor_config.json`: resizing only; pixels stay 0..255, as the graph wants them. */
export function preprocessorConfig({ picture }: ExportFacts): object {
  const side = picture!.size;
  const square = { width: side, height: side };
  const size =
    picture!.fit === "stretch" ? square : picture!.fit === "crop" ? { shortest_edge: side } : { longest_edge: side };
  return {
    image_processor_type: "ViTImageProcessor",
    do_convert_rgb: true,
    do_resize: true,
    size,
    resample: 1, // Lanczos
    do_center_crop: picture!.fit !== "stretch",
    crop_size: square,
    do_rescale: false,
    do_normalize: false,
  };
}

/** A picture whose answer is known. */
export interface GoldenPicture {
  /** Below the folder. */
  readonly file: string;
  readonly class: string;
  readonly logits: readonly number[];
}

export interface Golden {
  /** Largest difference of logits, relative to the largest, on another runtime; the pictures need no resizing. */
  readonly tolerance: number;
  readonly pictures: readonly GoldenPicture[];
}

/** `README.md`, the model card. */
export function modelCard(
  facts: ExportFacts,
  golden: Golden,
  perClass: readonly { class: string; error: number; n: number }[],
): string {
  const { run, classes, input, picture } = facts;
  const error =
    run.error === undefined
      ? "not measured: the run is not done, or these are not its last weights"
      : `${run.error.toFixed(2)} %`;
  const recall = perClass.map(
    (row) =>
      `| ${row.class.replaceAll("|", "\\|")} | ${row.n > 0 ? `${(100 - row.error).toFixed(1)} %` : "-"} | ${row.n} |`,
  );
  return `---
library_name: transformers.js
pipeline_tag: image-classification
tags: [fewlabels, onnx, semi-supervised]
---

# ${run.model}, ${classes.length} classes

Trained with [fewlabels](https://www.npmjs.com/package/fewlabels) ${run.fewlabels}: method ${run.method}, ${run.labels} labels of data set \`${run.dataset}\` (label seed ${run.labelSeed}, data ${JSON.stringify(run.dataFingerprint)}), ${run.role} after step ${run.step} of ${run.steps}, seed ${run.seed}.

- Test error of this one run: ${error}. One run says nothing of the spread between seeds.
- Classes: ${classes.map((name) => `\`${name}\``).join(", ")}.
- Pictures: ${picture!.channels === 1 ? "gray" : "color"}, ${picture!.fit} to ${input.width} x ${input.height} (Lanczos); pixels 0..255 go in, normalization (${facts.normalize}) is part of the network.
- Not meant for pictures of other things than these classes: it always names one of them. Licence of weights it started from, if any: that of their publisher.

## Use

\`\`\`js
import { pipeline } from "@huggingface/transformers";
const folder = "./mine"; // where this folder is; without ./ in front it would be looked for on the hub
const classify = await pipeline("image-classification", folder);
console.log(await classify(\`\${folder}/${golden.pictures[0]?.file ?? "picture.jpg"}\`));
\`\`\`

\`golden.json\` lists ${golden.pictures.length} pictures with the logits they must give, within ${golden.tolerance} of the largest.
${perClass.length > 0 ? `\n| class | recall on the test set | pictures |\n| --- | ---: | ---: |\n${recall.join("\n")}\n` : ""}`;
}
