/** `fewlabels label DIR`: the labelling studio. */
import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { usableCores } from "../../../config/cores.js";
import { UsageError } from "../../../errors.js";
import { isFolder } from "../../../images/image-files.js";
import { methods } from "../../../methods/index.js";
import { boolean, integer, number, text } from "../../../options.js";
import { isWeightsFile, locateWeights } from "../../../pretrained/cache.js";
import { openStudio } from "../../../studio/studio.js";
import { labelRoutes } from "../../../web/label/routes.js";
import { startSession } from "../../../web/label/session.js";
import { startPage } from "../../../web/page-server.js";
import { argument, defineCommand } from "../../command.js";
import { count, quoted } from "../../format.js";
import { print, printError, tellFault } from "../../output.js";
import { threadsOption } from "../../predictor-options.js";
import { stopSignal } from "../../signals.js";

export const label = defineCommand({
  name: "label",
  summary: "the labelling studio: a local page that asks for the labels that help most and trains meanwhile",
  description:
    "Label a folder of pictures on a local page, by keyboard or many at once. It asks for the pictures whose label helps most, keeps an honest test set aside, and trains in the background.",
  arguments: { dir: argument("folder of pictures, with labels (class folders, --labels) or without") },
  options: {
    out: text(undefined, {
      value: "folder",
      doc: "where labels and models are written, and taken up again (default: labels/NAME of the folder)",
    }),
    classes: text(undefined, { value: "names", doc: "classes with commas between; more can be named on the page" }),
    labels: text(undefined, { value: "file", doc: "labels file: labels that are there already" }),
    weights: text(undefined, {
      value: "name or file",
      doc: "pretrained network whose features choose, and that is trained on (`fewlabels weights list`)",
    }),
    run: text(undefined, { value: "folder", doc: "run folder: its network in place of --weights" }),
    method: text(undefined, {
      value: "method",
      doc: "how models are trained in the background (default: linear-probe with --weights or --run, else supervised)",
    }),
    steps: integer(300, { min: 1, max: 100_000, doc: "steps of a background training from scratch" }),
    every: number(20, { min: 0, max: 86_400, doc: "seconds from the end of a training to the start of the next" }),
    train: boolean(true, { doc: "train in the background" }),
    testShare: number(0.2, {
      min: 0,
      max: 0.9,
      doc: "share of the questions that is about pictures drawn at random, which only test (settled when the folder is first opened)",
    }),
    pool: integer(5000, {
      min: 10,
      max: 100_000,
      doc: "of more pictures than that, so many drawn at random are looked at for choosing, map and guesses",
    }),
    seed: integer(1, {
      min: 0,
      max: Number.MAX_SAFE_INTEGER,
      doc: "seed of all draws (settled when the folder is first opened)",
    }),
    threads: threadsOption("half of them", "the background"),
    port: integer(8090, { min: 0, max: 65535, doc: "port to listen on; 0: any free one" }),
    json: boolean(false, { doc: "print where it listens as one JSON line" }),
  },
  examples: [
    "fewlabels label photos --classes cat,dog,bird",
    "fewlabels label photos --weights resnet-18.tv1",
    "fewlabels label photos --labels labels.csv --run runs/mine --port 0",
  ],
  notes: "Labels are on the disk the moment they are given. Ctrl-C ends it; the same command goes on.",
  async run(
    { dir, out, classes, labels, weights, run, method, steps, every, train, pool, threads, port, json, ...rest },
    { who },
  ) {
    if (!isFolder(dir))
      throw new UsageError(`${dir}: there is no such folder. Give the folder that your pictures are in`);
    if (weights !== undefined && run !== undefined)
      throw new UsageError(`${who}: --weights and --run both say which network to use. Give one of them`);
    if (run !== undefined && !existsSync(join(run, "config.json")))
      throw new UsageError(`${run}: is no run folder (there is no config.json in it). Check --run`);
    const given = weights === undefined ? undefined : sourceOf(weights);
    const source = run === undefined ? given : resolve(run);
    const trainer = method ?? (source === undefined ? "supervised" : "linear-probe");
    checkMethod(trainer, source !== undefined, who);
    const folder = out ?? join("labels", basename(resolve(dir)));
    const studio = openStudio({
      ...rest,
      dir,
      out: folder,
      labelsFile: labels,
      ...(classes !== undefined && { classes: classes.split(",").filter((name) => name.trim() !== "") }),
    });
    for (const remark of studio.remarks) printError(`${who}: ${remark}`);
    const session = startSession(studio, {
      source,
      threads: threads ?? Math.max(1, Math.floor(usableCores() / 2)),
      pool,
      training: train ? { method: trainer, steps, every } : undefined,
    });
    try {
      const server = await startPage({
        page: "label",
        routes: labelRoutes(session),
        port,
        maxBody: 2 ** 20 + 12 * studio.pictures.length, // a selection of all of them
        onFault: tellFault(who),
      });
      const stopped = stopSignal(); // whoever reads where it listens may stop it at once
      const pictures = studio.pictures.length;
      const labeled = studio.codes.reduce((sum, code) => sum + (code >= 0 ? 1 : 0), 0);
      if (json) print(JSON.stringify({ url: server.url, port: server.port, out: studio.out, pictures, labeled }));
      else {
        print(
          `${server.url} shows ${count(pictures)} pictures of ${dir}, ${count(labeled)} of them with a label. Labels and models go to ${quoted(folder)}. Ctrl-C ends it.`,
        );
      }
      await stopped;
      await server.stop(1000);
    } finally {
      session.close();
    }
    if (!json) printError(`The labels are in ${quoted(join(folder, "labels.csv"))}. The same command goes on.`);
  },
});

/** The path of a file, or the name of weights. Throws where they are neither a file nor in the cache, before anything is started. */
function sourceOf(weights: string): string {
  locateWeights(weights, undefined, { who: "fewlabels label --weights" });
  return isWeightsFile(weights) ? resolve(weights) : weights;
}

function checkMethod(name: string, hasNetwork: boolean, who: string): void {
  const found = methods.find((one) => one.name === name);
  if (!found)
    throw new UsageError(
      `${who}: unknown method "${name}" for --method. Valid: ${methods.map((one) => one.name).join(", ")}`,
    );
  if (found.onFeatures && !hasNetwork)
    throw new UsageError(
      `${who}: ${name} needs the features of a trained network. Give --weights or --run, or another --method`,
    );
}
