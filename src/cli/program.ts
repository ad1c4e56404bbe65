/** The command line: commands, exit codes, and how errors are shown. */
import { pathToFileURL } from "node:url";
import { Command, CommanderError } from "commander";
import { canonicalKey } from "../config/given.js";
import { unknownKey } from "../config/unknown-key.js";
import { FewlabelsError, nearest } from "../errors.js";
import { packageVersion } from "../package.js";
import { addBench } from "./commands/bench.js";
import { addData } from "./commands/data.js";
import { addDemo } from "./commands/demo.js";
import { addDoctor } from "./commands/doctor.js";
import { addEvaluate } from "./commands/evaluate.js";
import { addList } from "./commands/list.js";
import { addModel } from "./commands/model.js";
import { addPredict } from "./commands/predict.js";
import { addPredictions } from "./commands/predictions.js";
import { addPseudoLabel } from "./commands/pseudo-label.js";
import { addTrain } from "./commands/train.js";
import { type ExternalMethod, externalMethod } from "./external-method.js";
import { canonicalArguments } from "./flags.js";
import { printError, surviveClosedPipes } from "./output.js";

/** The whole command line, without running it; with the options of a method from outside. */
export function buildProgram(external?: ExternalMethod): Command {
  const program = new Command("fewlabels");
  program
    .description("Train image classifiers from a few labeled and many unlabeled images.")
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .configureHelp({ helpWidth: Math.min(120, process.stdout.columns ?? 100) })
    .configureOutput({ outputError: () => {} })
    .exitOverride()
    .addHelpText("after", "\n`fewlabels COMMAND --help` shows a command's options. Start with `fewlabels demo`.");
  // Subcommands take over what is set above.
  for (const add of [
    addDemo,
    addTrain,
    addEvaluate,
    addPredict,
    addPseudoLabel,
    addData,
    addPredictions,
    addList,
    addModel,
    addBench,
    addDoctor,
  ])
    add(program, external);
  return program;
}

/** Runs one command and sets the exit code. */
export async function main(args: readonly string[]): Promise<void> {
  surviveClosedPipes();
  let program = buildProgram();
  let external: ExternalMethod | undefined;
  try {
    if (args.length === 0) {
      program.outputHelp({ error: true });
      process.exitCode = 2;
      return;
    }
    const canonical = canonicalArguments(args);
    external = await externalMethod(canonical);
    if (external) program = buildProgram(external);
    await program.parseAsync(canonical, { from: "user" });
  } catch (error) {
    process.exitCode = report(error, program, args, external);
  }
}

/** Prints an error for its reader; returns the exit code. No stack trace for a user's mistake. */
function report(
  error: unknown,
  program: Command,
  args: readonly string[],
  external: ExternalMethod | undefined,
): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    if (error.code === "commander.help") return 2; // `fewlabels data` alone: its help has been printed
    printError(usageMessage(error, program, args));
    return 2;
  }
  if (error instanceof FewlabelsError) {
    printError(error.message);
    return error.exitCode;
  }
  printError(error instanceof Error ? (error.stack ?? error.message) : String(error));
  const theirs = external && error instanceof Error && error.stack?.includes(pathToFileURL(external.path).href);
  printError(
    theirs
      ? `The error comes from ${external.path}, the file of the method.`
      : "This is a fault in fewlabels; please report it with the command you gave.",
  );
  return 1;
}

/** Commander's complaint in our words, with the nearest neighbor. */
function usageMessage(error: CommanderError, program: Command, args: readonly string[]): string {
  const [first, second] = args.filter((arg) => !arg.startsWith("-"));
  const named = (parent: Command | undefined, name: string | undefined) =>
    parent?.commands.find((candidate) => candidate.name() === name);
  const top = named(program, first);
  const inner = named(top, second); // as in `fewlabels data inspect`
  const command = inner ?? top;
  const who = ["fewlabels", top?.name(), inner?.name()].filter(Boolean).join(" ");
  const got = /'([^']+)'/.exec(error.message)?.[1] ?? "";
  if (error.code === "commander.unknownCommand") {
    const names = (top ?? program).commands.map((candidate) => candidate.name());
    const near = nearest(got, names);
    return `${who}: unknown command "${got}". ${near ? `Did you mean "${near}"?` : `Valid: ${names.join(", ")}`}`;
  }
  if (error.code === "commander.unknownOption" && got.startsWith("--")) {
    const known = (command ?? program).options.flatMap((option) =>
      option.long && !option.negate ? [canonicalKey(option.long.slice(2))] : [],
    );
    const message = unknownKey(who, got, canonicalKey(got.slice(2)), known);
    return message.replace("`fewlabels train --help`", `\`${who} --help\``);
  }
  const advice = `\`${who} --help\` shows how`;
  return `${who}: ${error.message.replace(/^error: |\.$/g, "")}. ${advice}`;
}
