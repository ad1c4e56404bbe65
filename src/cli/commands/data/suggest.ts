/** `fewlabels data suggest SOURCE DIR`: the pictures whose label helps most. */

import { resolve } from "node:path";
import { lineName } from "../../../files/names.js";
import { writeWhole } from "../../../files/write-whole.js";
import { pictureSheet } from "../../../inference/picture-sheet.js";
import { suggestLabels } from "../../../inference/suggest.js";
import { csvField } from "../../../labels/write-labels.js";
import { boolean, integer, required, text } from "../../../options.js";
import { argument, defineCommand } from "../../command.js";
import { count } from "../../format.js";
import { makePlaces, print, printError } from "../../output.js";
import { deviceOption, threadsOption } from "../../predictor-options.js";

export const dataSuggest = defineCommand({
  name: "data suggest",
  summary: "the pictures whose label helps most",
  description:
    "Write a list of pictures to label next: of each group of similar pictures without a label the most typical one; with four labels a class or more, the least certain ones of each group.",
  arguments: {
    source: argument("run folder, or the name or file of weights"),
    dir: argument("folder of pictures, as `train --dataset folder --data DIR` takes it, or without any label yet"),
  },
  options: {
    out: required(
      text(undefined, {
        value: "file",
        doc: "CSV file to write: file and an empty label, to be filled in and given to --labels",
      }),
    ),
    sheet: text(undefined, { value: "file", doc: "HTML file to write: these pictures, in one file" }),
    count: integer(20, { min: 1, doc: "how many pictures" }),
    labels: text(undefined, { value: "file", doc: "labels file, for pictures that are in no class folders" }),
    seed: integer(1, { min: 0, max: Number.MAX_SAFE_INTEGER, doc: "seed of the groups" }),
    size: integer(undefined, {
      min: 8,
      max: 2048,
      doc: "side of the pictures in pixels, of weights alone (default: their own)",
    }),
    cache: boolean(true, { doc: "keep features in the cache folder, and take what is there" }),
    device: deviceOption("the run's, or auto"),
    threads: threadsOption("the run's, or all"),
    json: boolean(false, { doc: "print one JSON object" }),
  },
  examples: [
    "fewlabels data suggest dinov2-s14 photos --count 50 --out to-label.csv",
    "fewlabels data suggest runs/mine photos --labels labels.csv --out to-label.csv",
  ],
  async run({ source, dir, out, sheet, labels, cache, json, ...options }, { who }) {
    makePlaces(who, { out, sheet });
    let told = performance.now();
    const found = await suggestLabels(source, resolve(dir), {
      ...options,
      labelsFile: labels,
      ...(cache ? {} : { cache: null }),
      onNote: (line) => printError(`${who}: ${line}`),
      onProgress(done, total) {
        if (performance.now() - told < 5000) return;
        told = performance.now();
        printError(`${count(done)} of ${count(total)} pictures`);
      },
    });
    for (const remark of found.remarks) printError(`${who}: ${lineName(remark)}`);
    for (const { file, reason } of found.damaged) printError(`${lineName(file)}: ${reason}`);
    writeWhole(out, `file,label\n${found.pictures.map(({ name }) => `${csvField(name)},\n`).join("")}`);
    const { pictures, by, labeled, unlabeled } = found;
    const why = by === "typical" ? "the most typical of their groups" : "the least certain of their groups";
    if (sheet !== undefined) {
      const groups = pictures.map(({ name, path }, i) => [{ path, lines: [`${i + 1}. ${name}`] }]);
      const part = { title: "To label next", lines: [`The most useful first: ${why}.`], groups };
      writeWhole(sheet, await pictureSheet(`Pictures of ${dir} to label`, [part]));
    }
    if (json) {
      const names = pictures.map(({ name }) => name);
      return print(JSON.stringify({ out, by, labeled, unlabeled, damaged: found.damaged, pictures: names }));
    }
    print(
      `${count(pictures.length)} of ${count(unlabeled)} pictures without a label are in ${out}${sheet === undefined ? "" : ` and ${sheet}`}, ${why} (${count(labeled)} have labels)`,
    );
  },
});
