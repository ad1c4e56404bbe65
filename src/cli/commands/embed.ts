/** `fewlabels embed RUN|WEIGHTS FILES... --out FILE`: features of pictures. */
import { DataError, UsageError } from "../../errors.js";
import { lineName } from "../../files/names.js";
import { writeNpy } from "../../files/npy.js";
import { writeSafetensors } from "../../files/safetensors.js";
import { writeWhole } from "../../files/write-whole.js";
import { embed as embedPictures } from "../../inference/embed.js";
import { openPictureModel } from "../../inference/picture-model.js";
import { boolean, integer, required, text } from "../../options.js";
import { argument, defineCommand, restArguments } from "../command.js";
import { count } from "../format.js";
import { makePlaces, print, printError } from "../output.js";
import { deviceOption, threadsOption } from "../predictor-options.js";
import { allFiles } from "./predict.js";

export const embed = defineCommand({
  name: "embed",
  summary: "features of pictures, by a run or by pretrained weights",
  description:
    "Write what the network's head is given, a row of numbers a picture. Features are kept by the content of the pictures, so that a second call computes only what is new.",
  arguments: {
    source: argument("run folder, or the name or file of weights"),
    files: restArguments("pictures, folders of pictures, or - for a list of files on stdin, one a line"),
  },
  options: {
    out: required(
      text(undefined, {
        value: "file",
        doc: "FILE.safetensors (`features`, and `names` in its metadata) or FILE.npy (names in FILE.names.txt beside)",
      }),
    ),
    size: integer(undefined, {
      min: 8,
      max: 2048,
      doc: "side of the pictures in pixels, of weights alone (default: their own)",
    }),
    batch: integer(32, { min: 1, doc: "pictures a pass" }),
    cache: boolean(true, { doc: "keep features in the cache folder, and take what is there" }),
    role: text(undefined, {
      value: "model",
      doc: "student or teacher, of a run (default: the one whose error is the method's result)",
    }),
    device: deviceOption("the run's, or auto"),
    threads: threadsOption("the run's, or all"),
    json: boolean(false, { doc: "print one JSON object" }),
  },
  examples: [
    "fewlabels embed resnet-18.tv1 photos/ --out features.safetensors",
    "fewlabels embed runs/mine photos/ --out features.npy",
  ],
  notes:
    "A picture that cannot be read is reported and passed over. Exit codes: 0 at least one row was written, 3 none.",
  async run({ source, files, out, batch, cache, json, ...options }, { who }) {
    if (!/\.(safetensors|npy)$/.test(out)) {
      throw new UsageError(`${who}: expected a name that ends in .safetensors or .npy for --out, got ${out}`);
    }
    const model = await openPictureModel(source, options);
    makePlaces(who, { out });
    const [names, rows]: [string[], Float32Array[]] = [[], []];
    let [damaged, known, last] = [0, 0, performance.now()];
    const onNote = (line: string) => printError(`${who}: ${line}`);
    const reading = { batch, onNote, ...(cache ? {} : { cache: null }) };
    for await (const item of embedPictures(model, allFiles(files), reading)) {
      if ("error" in item) {
        damaged++;
        printError(`${lineName(item.file)}: ${item.error}`);
        continue;
      }
      names.push(item.file);
      rows.push(item.features);
      if (item.cached) known++;
      if (performance.now() - last > 5000) {
        last = performance.now();
        printError(`${count(names.length)} pictures`);
      }
    }
    const size = rows[0]?.length;
    if (size === undefined) throw new DataError(`${who}: not one picture could be read`);
    if (out.endsWith(".npy")) {
      writeNpy(out, rows.length, size, rows);
      writeWhole(out.replace(/\.npy$/, ".names.txt"), `${names.map(lineName).join("\n")}\n`);
    } else
      writeSafetensors(
        out,
        { features: { dtype: "F32", shape: [rows.length, size], bytes: () => joined(rows, size) } },
        { names: JSON.stringify(names), source },
      );
    if (json) return print(JSON.stringify({ out, pictures: rows.length, size, cached: known, damaged }));
    print(
      `${count(rows.length)} pictures, ${count(size)} numbers each, in ${out}${known > 0 ? ` (${count(known)} of them known before)` : ""}`,
    );
  },
});

function joined(rows: readonly Float32Array[], size: number): Uint8Array {
  const all = new Float32Array(rows.length * size);
  for (const [i, row] of rows.entries()) all.set(row, i * size);
  return new Uint8Array(all.buffer);
}
