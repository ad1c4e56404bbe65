/** `fewlabels dashboard [RUNS]`: a local page over run folders. */
import { existsSync, statSync } from "node:fs";
import { UsageError } from "../../../errors.js";
import { boolean, integer } from "../../../options.js";
import { findRuns } from "../../../web/dashboard/find-runs.js";
import { dashboardRoutes } from "../../../web/dashboard/routes.js";
import { startPage } from "../../../web/page-server.js";
import { defineCommand, optionalArgument } from "../../command.js";
import { print, tellFault } from "../../output.js";
import { stopSignal } from "../../signals.js";

export const dashboard = defineCommand({
  name: "dashboard",
  summary:
    "the local page over run folders: curves, confusion matrix, gallery of unlabeled pictures with the teacher's belief",
  description:
    "Show run folders on a local page, those that are training as well: it reads their files and needs no trainer. On this machine alone.",
  arguments: {
    runs: optionalArgument("folder of run folders, or one run folder (default: runs)"),
  },
  options: {
    port: integer(8090, { min: 0, max: 65535, doc: "port to listen on; 0: any free one" }),
    json: boolean(false, { doc: "print where it listens as one JSON line" }),
  },
  examples: ["fewlabels dashboard", "fewlabels dashboard runs/mine --port 0"],
  notes: "Ctrl-C ends it; trainings go on.",
  async run({ runs = "runs", port, json }, { who }) {
    if (!existsSync(runs) || !statSync(runs).isDirectory()) {
      throw new UsageError(`${runs}: there is no such folder. Give the folder that your runs are in: ${who} FOLDER`);
    }
    const { ids, leftOut } = findRuns(runs);
    const server = await startPage({
      page: "dashboard",
      routes: dashboardRoutes(runs),
      port,
      onFault: tellFault(who),
    });
    const stopped = stopSignal(); // whoever reads where it listens may stop it at once
    const count = ids.length + leftOut;
    if (json) print(JSON.stringify({ url: server.url, port: server.port, runs: count }));
    else {
      const seen = count === 0 ? "no run yet" : count === 1 ? "1 run" : `${count} runs`;
      print(`${server.url} shows ${runs} (${seen}) and follows it. Ctrl-C ends it.`);
    }
    await stopped;
    await server.stop(1000);
  },
});
