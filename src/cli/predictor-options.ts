/** The options that everything that predicts has. */
import { deviceNames, nthCard, runOptions } from "../config/run-options.js";
import { choice, integer, type OptionSpec, text } from "../options.js";

/** `--device` of a command that uses a network. */
export function deviceOption(byDefault: string) {
  return choice(deviceNames, undefined, { also: nthCard, doc: `where to compute (default: ${byDefault})` });
}

/** `--threads` of such a command, as far up as a run's. */
export function threadsOption(byDefault: string, of = "the engine") {
  return { ...runOptions.threads, doc: `CPU threads of ${of} (default: ${byDefault})` };
}

export const predictorOptions = {
  batch: integer(500, { min: 1, doc: "pictures a pass" }),
  role: text(undefined, {
    value: "model",
    doc: "student, teacher, or what else the method has (default: the one whose error is the method's result)",
  }),
  device: deviceOption("the run's"),
  threads: threadsOption("the run's"),
} as const satisfies OptionSpec;
