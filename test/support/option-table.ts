/** Options as a Markdown table, for the pages in docs/commands. */

import { flagOf } from "../../src/config/given.js";
import { type OptionSpec, rangeText } from "../../src/options.js";

/** One row an option: flag, values, default, meaning. */
export function optionTable(spec: OptionSpec, prefix = ""): string {
  const rows = Object.entries(spec).map(([name, option]) => {
    const range = option.type === "integer" || option.type === "number" ? rangeText(option).trim() : "";
    const kind = { integer: "whole number", number: "number", boolean: "true or false", string: "text" }[option.type];
    const values = option.choices
      ? option.choices.map((choice) => `\`${choice}\``).join(", ")
      : `${kind} ${range}`.trim();
    const preset = option.default === undefined ? "" : `\`${String(option.default)}\``;
    return `| \`${flagOf(`${prefix}${name}`)}\` | ${values} | ${preset} | ${option.doc.replaceAll("|", "\\|")} |`;
  });
  return ["| flag | values | default | meaning |", "| --- | --- | --- | --- |", ...rows].join("\n");
}
