/** `fewlabels data ...`: official files, what is in a folder, label lists. */
import type { Command } from "commander";
import { addDataDownload } from "./data/download.js";
import { addDataFilter } from "./data/filter.js";
import { addDataInspect } from "./data/inspect.js";
import { addDataPack } from "./data/pack.js";
import { addDataPreview } from "./data/preview.js";
import { addDataSplit } from "./data/split.js";

export function addData(program: Command): void {
  const data = program
    .command("data")
    .summary("download official files, inspect folders, write label lists, preview views")
    .description(
      "Fetch data, look at it and prepare it: official files, what is in a folder, label lists, what the network sees.",
    )
    .addHelpText(
      "after",
      "\nExamples:\n  fewlabels data download cifar10\n  fewlabels data inspect pictures\n  fewlabels data split --dataset cifar10 --data cifar-10-batches-bin --labels 4000 --out labels.txt",
    );
  addDataDownload(data);
  addDataInspect(data);
  addDataSplit(data);
  addDataPack(data);
  addDataFilter(data);
  addDataPreview(data);
}
