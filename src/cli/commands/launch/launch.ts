/** `fewlabels launch -n 2 -- train ...`: several processes of one training on this machine. */
import { UsageError } from "../../../errors.js";
import { integer } from "../../../options.js";
import { commandArguments, defineCommand } from "../../command.js";
import { launchProcesses } from "./processes.js";

export const launch = defineCommand({
  name: "launch",
  summary: "train on several processes of this machine",
  description:
    "Start a training in several processes on this machine that share every batch, each with its part of the cores. " +
    "On several machines torchrun, mpirun, srun or Kubernetes start them: docs/distributed.md.",
  arguments: { command: commandArguments("what each process runs: train and its arguments") },
  options: { processes: { ...integer(2, { min: 2, max: 1024, doc: "how many processes" }), short: "n" } },
  examples: ["fewlabels launch -n 2 -- train --dataset digits --labels 100 --steps 1000"],
  notes:
    "The exit code is that of the training. When a process fails the others end too; SIGINT and SIGTERM go to all of them, which end after a checkpoint.",
  async run({ command, processes }) {
    if (command[0] !== "train") {
      throw new UsageError(
        `fewlabels launch: expected train to be what each process runs, got ${JSON.stringify(command[0])}`,
      );
    }
    process.exitCode = await launchProcesses(processes, command);
  },
});
