// Writes what the pages say of declared things: option tables of docs/methods, docs/commands, and README's lists of methods,
// networks and data sets. Each stands between `<!-- NAME -->` and `<!-- end -->`.
//   node scripts/docs-tables.mjs [--check]       --check writes nothing, names the pages that differ and exits with 1
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** @typedef {{ type: string, default: unknown, doc: string, min?: number, max?: number, below?: number, choices?: readonly string[], value?: string, required?: boolean }} Option */
/** @typedef {Readonly<Record<string, Option>>} Spec */
/** @typedef {{ name: string, options: Spec }} Named */
/**
 * @typedef {object} Declared
 * @property {readonly (Named & { summary: string })[]} methods
 * @property {readonly (Named & { presets: Readonly<Record<string, unknown>> })[]} models
 * @property {readonly Named[]} dataSets
 * @property {readonly Named[]} commands Each has its options on the page of its first word: "data inspect" on data.md.
 * @property {readonly { name: string, usage: string, summary: string }[]} commandRows README's table of commands
 * @property {Spec} runOptions
 * @property {Spec} optimizerOptions
 */

const root = new URL("..", import.meta.url);

/** "labelSeed" -> "--label-seed", "model.inputNoise" as it is. @param {string} key */
function flagOf(key) {
  return `--${key.includes(".") ? key : key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** @param {Option} option */
function valuesOf({ type, choices, min, max, below, value = "text" }) {
  if (choices) return choices.map((choice) => `\`${choice}\``).join(", ");
  const kind = { integer: "whole number", number: "number", boolean: "true or false" }[type] ?? value;
  if (type !== "integer" && type !== "number") return kind;
  if (below !== undefined)
    return min === undefined ? `${kind} below ${below}` : `${kind} of at least ${min} and below ${below}`;
  if (min !== undefined && max !== undefined) return `${kind} in ${min}..${max}`;
  if (min !== undefined) return `${kind} of at least ${min}`;
  return max === undefined ? kind : `${kind} of at most ${max}`;
}

/** One row an option: flag, values, default, meaning. @param {Spec} spec @param {string} [prefix] */
export function optionTable(spec, prefix = "") {
  const rows = Object.entries(spec).map(([name, option]) => {
    const preset = option.required ? "required" : option.default === undefined ? "" : `\`${String(option.default)}\``;
    const flag = `\`${flagOf(`${prefix}${name}`)}\``;
    return `| ${flag} | ${valuesOf(option)} | ${preset} | ${option.doc.replaceAll("|", "\\|")} |`;
  });
  return ["| flag | values | default | meaning |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

/** Every generated block: page, name of the block, text. @param {Declared} declared @returns {[string, string, string][]} */
export function blocks({ methods, models, dataSets, commands, commandRows, runOptions, optimizerOptions }) {
  const list = (/** @type {string[]} */ names) => names.join(", ");
  const rows = commandRows.map(
    ({ name, usage, summary }) => `| [\`fewlabels ${usage}\`](docs/commands/${name}.md) | ${summary} |`,
  );
  return [
    ...commands.map(
      ({ name, options }) =>
        /** @type {[string, string, string]} */ ([
          `docs/commands/${name.split(" ")[0]}.md`,
          `options: ${name}`,
          `\n${optionTable(options)}\n`,
        ]),
    ),
    ["docs/commands/train.md", "options: run", `\n${optionTable(runOptions)}\n`],
    ["docs/commands/train.md", "options: optimizer", `\n${optionTable(optimizerOptions, "optimizer.")}\n`],
    ["README.md", "commands", `\n${["| command | does |", "| --- | --- |", ...rows].join("\n")}\n`],
    ...methods.map(
      ({ name, options }) =>
        /** @type {[string, string, string]} */ ([
          `docs/methods/${name}.md`,
          "options: method",
          `\n${optionTable(options, "method.")}\n`,
        ]),
    ),
    ["README.md", "methods", list(methods.map(({ name }) => `[\`${name}\`](docs/methods/${name}.md)`))],
    [
      "README.md",
      "networks",
      list(
        models.map(({ name, presets }) => {
          const all = Object.keys(presets).map((preset) => `\`${preset}\``);
          const named =
            all.length > 3 ? [/** @type {string} */ (all[0]), "...", /** @type {string} */ (all.at(-1))] : all;
          return named.length === 0 ? `\`${name}\`` : `\`${name}\` (${list(named)})`;
        }),
      ),
    ],
    ["README.md", "data sets", list(dataSets.map(({ name }) => `\`${name}\``))],
  ];
}

/** `text` with one block renewed. Throws where the page has no such block. @param {string} text @param {string} name @param {string} content */
export function renewed(text, name, content) {
  const [start, end] = [`<!-- ${name} -->`, "<!-- end -->"];
  const from = text.indexOf(start);
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`expected ${start} and after it ${end}`);
  return text.slice(0, from + start.length) + content + text.slice(to);
}

/** The pages as they should be, by path from the root. @param {Declared} declared @returns {Map<string, string>} */
export function wantedPages(declared) {
  /** @type {Map<string, string>} */
  const pages = new Map();
  for (const [page, name, content] of blocks(declared)) {
    const text = pages.get(page) ?? readFileSync(new URL(page, root), "utf8");
    try {
      pages.set(page, renewed(text, name, content));
    } catch (error) {
      throw new Error(`${page}: ${error instanceof Error ? error.message : error}`);
    }
  }
  return pages;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const pages = wantedPages(await import("fewlabels/internal"));
  const stale = [...pages].filter(([page, text]) => readFileSync(new URL(page, root), "utf8") !== text);
  const check = process.argv.includes("--check");
  for (const [page, text] of stale) {
    console.log(`${page}: ${check ? "differs from the declarations" : "written"}`);
    if (!check) writeFileSync(new URL(page, root), text);
  }
  if (check && stale.length > 0) {
    console.log("Run node scripts/docs-tables.mjs");
    process.exitCode = 1;
  }
}
