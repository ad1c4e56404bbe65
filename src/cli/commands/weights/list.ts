/** `fewlabels weights list`: pretrained networks, with size, accuracy and licence. */
import { boolean } from "../../../options.js";
import { cached, weightsFolder } from "../../../pretrained/cache.js";
import { officialWeights } from "../../../pretrained/official-weights.js";
import { defineCommand } from "../../command.js";
import { print } from "../../output.js";

export const weightsList = defineCommand({
  name: "weights list",
  summary: "pretrained networks: size, accuracy, licence, and which are here",
  description: "List the official weights that `--model.weights NAME` takes, with what they ask of pictures.",
  options: { json: boolean(false, { doc: "print one JSON array" }) },
  examples: ["fewlabels weights list", "fewlabels weights list --json"],
  run({ json }) {
    const rows = officialWeights.map((row) => ({ ...row, here: cached(row)?.path ?? null }));
    if (json) return print(JSON.stringify(rows));
    const width = Math.max(...rows.map(({ name }) => name.length));
    print(`${"name".padEnd(width)}      MB  top 1 %  px   licence`);
    for (const { name, megabytes, accuracy, size, licence, here } of rows) {
      const facts = [megabytes.toFixed(1).padStart(6), accuracy.toFixed(1).padStart(7), String(size).padStart(5)];
      print(`${name.padEnd(width)}  ${facts.join("")}   ${licence}${here ? "  (here)" : ""}`);
    }
    print(
      "",
      `Accuracies are the makers', on ImageNet. \`fewlabels weights get NAME\` fetches one into ${weightsFolder()}.`,
    );
  },
});
