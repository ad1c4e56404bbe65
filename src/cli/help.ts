/** Help as text, from what commands declare. */
import { type Command, usageOf } from "./command.js";
import { type Flags, flagTerm } from "./flags.js";
import { wrap } from "./format.js";

/** Commands that share a first word: `data inspect`, `data split`. */
export interface CommandGroup {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
}

/** A line of the list of commands; `name` is that of its page. */
export interface CommandRow {
  readonly name: string;
  readonly usage: string;
  readonly summary: string;
}

/** Of lines; a terminal that says 0 does not know, and in a very narrow one the texts beside the flags need room all the same. */
const width = (): number => Math.max(60, Math.min(120, process.stdout.columns || 100));
/** Column in which the texts begin. */
const INDENT = 30;

/** The list of all commands. */
export function programHelp(rows: readonly CommandRow[]): string {
  return [
    "Usage: fewlabels COMMAND [options]",
    "",
    "Train image classifiers from a few labeled and many unlabeled images.",
    "",
    "Commands:",
    ...rows.flatMap(({ usage, summary }) => entry(usage, summary)),
    "",
    "Options:",
    ...entry("-V, --version", "print the version"),
    ...entry("-h, --help", "show help"),
    "",
    "`fewlabels COMMAND --help` shows a command's options. Start with `fewlabels demo`.",
  ].join("\n");
}

/** Commands and groups as README and the help list them, a group once. */
export function topLevel(commands: readonly Command[], groups: readonly CommandGroup[]): CommandRow[] {
  const seen = new Set<string>();
  return commands.flatMap((command) => {
    const [first, second] = command.name.split(" ") as [string, string?];
    if (seen.has(first)) return [];
    seen.add(first);
    const group = second === undefined ? undefined : groups.find(({ name }) => name === first);
    if (group) return [{ name: first, usage: `${first} ...`, summary: group.summary }];
    return [{ name: first, usage: `${command.name} ${usageOf(command)}`.trim(), summary: command.summary }];
  });
}

export function groupHelp({ name, description }: CommandGroup, commands: readonly Command[]): string {
  const own = commands.filter((command) => command.name.startsWith(`${name} `));
  return [
    `Usage: fewlabels ${name} COMMAND [options]`,
    "",
    ...wrap(description, width()),
    "",
    "Commands:",
    ...own.flatMap((command) => entry(`${command.name} ${usageOf(command)}`.trim(), command.summary)),
    "",
    "Examples:",
    ...own.map(({ examples }) => `  ${examples[0]}`),
    "",
    `\`fewlabels ${name} COMMAND --help\` shows a command's options.`,
  ].join("\n");
}

export function commandHelp(command: Command, flags: Flags): string {
  const { name, description, examples, notes } = command;
  const headings = [...new Set([...flags.values()].map(({ heading }) => heading))];
  const args = Object.entries(command.arguments).map(([arg, { doc, choices }]) =>
    entry(arg.toUpperCase(), choices ? `${doc}: ${choices.join(", ")}` : doc),
  );
  return [
    `Usage: fewlabels ${[name, usageOf(command)].filter(Boolean).join(" ")} [options]`,
    "",
    ...wrap(description, width()),
    ...(args.length > 0 ? ["", "Arguments:", ...args.flat()] : []),
    ...headings.flatMap((heading) => [
      "",
      heading,
      ...[...flags].flatMap(([key, flag]) =>
        flag.heading === heading ? entry(flagTerm(key, flag.option), flag.text) : [],
      ),
      ...(heading === "Options:" ? entry("-h, --help", "show help") : []),
    ]),
    "",
    "Examples:",
    ...examples.map((line) => `  ${line}`),
    ...(notes ? ["", ...wrap(notes, width())] : []),
  ].join("\n");
}

/** A term, and its text in the column beside it; below it where the term is too long. */
function entry(term: string, text: string): string[] {
  const lines = wrap(text, width(), " ".repeat(INDENT));
  const head = `  ${term}`;
  if (head.length > INDENT - 2) return [head, ...lines];
  return [`${head.padEnd(INDENT)}${(lines[0] ?? "").trimStart()}`, ...lines.slice(1)];
}
