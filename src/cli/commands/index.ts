/** All commands, in the order of the help and of README. */
import type { Command } from "../command.js";
import { type CommandGroup, topLevel } from "../help.js";
import { bench } from "./bench.js";
import { dataAudit } from "./data/audit.js";
import { dataDownload } from "./data/download.js";
import { dataFilter } from "./data/filter.js";
import { dataInspect } from "./data/inspect.js";
import { dataPack } from "./data/pack.js";
import { dataPreview } from "./data/preview.js";
import { dataSplit } from "./data/split.js";
import { dataSuggest } from "./data/suggest.js";
import { demo } from "./demo.js";
import { doctor } from "./doctor.js";
import { embed } from "./embed.js";
import { evaluate } from "./evaluate.js";
import { compare } from "./experiment/compare.js";
import { experiment } from "./experiment/experiment.js";
import { experimentTune } from "./experiment/tune.js";
import { exportCommand } from "./export.js";
import { launch } from "./launch/launch.js";
import { list } from "./list.js";
import { model } from "./model.js";
import { dashboard } from "./pages/dashboard.js";
import { label } from "./pages/label.js";
import { serve } from "./pages/serve.js";
import { predict } from "./predict.js";
import { predictions } from "./predictions.js";
import { pseudoLabel } from "./pseudo-label.js";
import { report } from "./report.js";
import { setup } from "./setup.js";
import { train } from "./train.js";
import { weightsGet } from "./weights/get.js";
import { weightsInfo } from "./weights/info.js";
import { weightsList } from "./weights/list.js";

export const commands: readonly Command[] = [
  demo,
  train,
  launch,
  evaluate,
  predict,
  pseudoLabel,
  predictions,
  embed,
  exportCommand,
  serve,
  dashboard,
  label,
  dataDownload,
  dataInspect,
  dataSplit,
  dataPack,
  dataFilter,
  dataPreview,
  dataAudit,
  dataSuggest,
  weightsList,
  weightsGet,
  weightsInfo,
  compare,
  experiment,
  experimentTune,
  report,
  list,
  model,
  bench,
  setup,
  doctor,
];

/** Commands of two words share a page and a line of README by their first. */
export const commandGroups: readonly CommandGroup[] = [
  {
    name: "data",
    summary:
      "official downloads, what is in a folder and what is wrong there, label lists, shards, pictures of the views",
    description:
      "Fetch data, look at it and prepare it: official files, what is in a folder, label lists, what the network sees.",
  },
  {
    name: "weights",
    summary: "pretrained networks: which there are, fetching, what is in a file",
    description: "Pretrained networks for --model.weights: which there are, fetch one, look into a file.",
  },
];

/** What the help and README list. */
export const commandRows = topLevel(commands, commandGroups);
