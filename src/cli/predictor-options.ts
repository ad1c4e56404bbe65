/** The options that everything that predicts has. */
import { deviceNames, nthCard } from "../config/run-options.js";
import { choice, integer, type OptionSpec, text } from "../options.js";

/** `--device` of a command that uses a network. */
export function deviceOption(byDefault: string) {
  return choice(deviceNames, undefined, { also: nthCard, doc: `where to compute (default: ${byDefault})` });
}

export const predictorOptions = {
  batch: integer(500, { min: 1, doc: "pictures a pass" }),
  role: text(undefined, {
    value: "model",
    doc: "student, teacher, or what else the method has (default: the one whose error is the method's result)",
  }),
  device: deviceOption("the run's"),
  threads: integer(undefined, { min: 1, doc: "CPU threads of the engine (default: the run's)" }),
} as const satisfies OptionSpec;
