/** The command line: which command, exit codes, and how errors are shown. */
import { pathToFileURL } from "node:url";
import { families } from "../config/catalog.js";
import { groups } from "../config/run-options.js";
import { FewlabelsError, nearest, UsageError } from "../errors.js";
import { packageVersion } from "../package.js";
import { launchedAs } from "../torch/index.js";
import type { Command } from "./command.js";
import { commandGroups, commandRows, commands } from "./commands/index.js";
import { type Externals, loadExternals, noExternals } from "./externals.js";
import { canonicalArguments, flagsOf } from "./flags.js";
import { commandHelp, groupHelp, programHelp } from "./help.js";
import { print, printError, surviveClosedPipes } from "./output.js";
import { asksForHelp, parseArguments } from "./parse.js";

/** Runs one command and sets the exit code. */
export async function main(args: readonly string[]): Promise<void> {
  surviveClosedPipes();
  let externals = noExternals;
  try {
    const [first, ...others] = args;
    if (first === undefined) {
      printError(programHelp(commandRows));
      process.exitCode = 2;
    } else if (first === "--help" || first === "-h") print(programHelp(commandRows));
    else if (first === "--version" || first === "-V") print(packageVersion());
    else if (first === "help") await main([...others, "--help"]);
    else {
      checkFolder();
      externals = await loadExternals(canonicalArguments(args));
      await runCommand(args, externals);
    }
  } catch (error) {
    process.exitCode = report(error, externals);
  }
}

/** Throws UsageError where the working folder is gone, which every relative path needs. */
function checkFolder(): void {
  try {
    process.cwd();
  } catch {
    throw new UsageError(
      "fewlabels: the folder that this was started in does not exist any more. `cd` into another one",
    );
  }
}

async function runCommand(args: readonly string[], externals: Externals): Promise<void> {
  const group = commandGroups.find(({ name }) => name === args[0]);
  if (group && (args[1] === undefined || args[1] === "--help" || args[1] === "-h")) {
    const text = groupHelp(group, commands);
    if (args[1] !== undefined) return print(text);
    printError(text);
    process.exitCode = 2;
    return;
  }
  const { command, rest } = findCommand(args, group?.name);
  const flags = flagsOf(command, externals.catalog);
  if (asksForHelp(rest)) return print(commandHelp(command, flags));
  const place = launchedAs();
  if (place && !command.together) {
    throw new UsageError(
      `fewlabels ${command.name}: started as process ${place.rank} of ${place.size}, and only train works on several. Start it without the launcher`,
    );
  }
  const { values, given } = parseArguments(command, flags, rest);
  await command.run(values, { who: `fewlabels ${command.name}`, given: externals.named(given), externals });
}

/** The command that the first words name. Throws UsageError with the nearest one. */
function findCommand(
  args: readonly string[],
  group: string | undefined,
): { command: Command; rest: readonly string[] } {
  const word = args[group ? 1 : 0]!;
  const prefix = group ? `${group} ` : "";
  const both = commands.find(({ name }) => name === args.slice(0, 2).join(" "));
  if (both) return { command: both, rest: args.slice(2) };
  const command = group === undefined ? commands.find(({ name }) => name === word) : undefined;
  if (command) return { command, rest: args.slice(1) };
  const names = [
    ...new Set(
      commands.flatMap(({ name }) => (name.startsWith(prefix) ? [name.slice(prefix.length).split(" ")[0]!] : [])),
    ),
  ];
  const near = nearest(word, names);
  const who = ["fewlabels", group].filter(Boolean).join(" ");
  const kind = word.startsWith("-") ? "option" : "command";
  throw new UsageError(
    `${who}: unknown ${kind} "${word}". ${near ? `Did you mean "${near}"?` : `Valid commands: ${names.join(", ")}`}`,
  );
}

/** The message with whose it is, in all but the first of several processes. */
function ofProcess(message: string): string {
  const [, rank = "0"] =
    /^(\d+)$/.exec(process.env.RANK ?? process.env.OMPI_COMM_WORLD_RANK ?? process.env.SLURM_PROCID ?? "") ?? [];
  return rank === "0" || message.startsWith("process ") ? message : `process ${rank}: ${message}`;
}

/** Prints an error for its reader; returns the exit code. No stack trace for a user's mistake. */
function report(error: unknown, { modules }: Externals): number {
  if (error instanceof FewlabelsError) {
    printError(ofProcess(error.message));
    return error.exitCode;
  }
  printError(error instanceof Error ? (error.stack ?? error.message) : String(error));
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const theirs = groups.find((kind) => modules[kind] && stack.includes(pathToFileURL(modules[kind]).href));
  printError(
    theirs
      ? `The error comes from ${modules[theirs]}, the file of the ${families[theirs].noun}.`
      : "This is a fault in fewlabels; please report it with the command you gave.",
  );
  return 1;
}
