// Every command line of the pages, the helps and the examples is parsed by the real declarations; what `train` is given there is a configuration that works.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { Command } from "../../src/cli/command.js";
import { commands } from "../../src/cli/commands/index.js";
import { loadExternals } from "../../src/cli/externals.js";
import { canonicalArguments, flagsOf } from "../../src/cli/flags.js";
import { asksForHelp, parseArguments } from "../../src/cli/parse.js";
import { catalog } from "../../src/config/catalog.js";
import { parseConfig, readConfigFile } from "../../src/config/config-file.js";
import { canonicalKey } from "../../src/config/given.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { findDefinition } from "../../src/experiments/catalog.js";
import { planExperiment } from "../../src/experiments/plan.js";
import { parseOption } from "../../src/options.js";
import { folderOfThisFile } from "../support/train-run.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (file: string) => readFileSync(join(root, file), "utf8");
const filesOf = (folder: string, ending: RegExp) =>
  readdirSync(join(root, folder))
    .filter((file) => ending.test(file))
    .map((file) => join(folder, file));
const pages = [
  "README.md",
  "CONTRIBUTING.md",
  ...["docs", "docs/commands", "docs/methods"].flatMap((folder) => filesOf(folder, /\.md$/)),
];

/** Lines of code: between fences, or indented behind an empty line. */
function codeOf(page: string): string {
  let [fenced, before, inCode] = [false, "", false];
  const lines = read(page).split("\n");
  const code = lines.filter((line) => {
    const fence = line.startsWith("```");
    if (fence) fenced = !fenced;
    inCode = !fence && (fenced || (/^ {4}/.test(line) && (before.trim() === "" || inCode)));
    before = line;
    return inCode;
  });
  return code.join("\n");
}

/** What stands behind `fewlabels` on each line, comments and prompts gone. */
function callsIn(text: string): string[] {
  const lines = text.replace(/ \\\n[ *#]*/g, " ").split("\n");
  return lines.flatMap((line) => {
    const call = /(?:^|[\s$])fewlabels ([a-z][^#|`]*)/.exec(line)?.[1]?.trim();
    // A usage line is held against its declaration by docs.test.ts; setup's own lines begin alike.
    return call === undefined || call.endsWith("[options]") || !commandOf(words(call)) ? [] : [call];
  });
}

function words(call: string): string[] {
  return [...call.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map((match) => (match[1] ?? match[2] ?? match[3])!);
}

function commandOf(args: readonly string[]): Command | undefined {
  const named = (count: number) => commands.find(({ name }) => name === args.slice(0, count).join(" "));
  return named(2) ?? named(1);
}

/** Throws what the command line would complain of. */
async function check(call: string): Promise<void> {
  const shown = call.replaceAll("./my-method.mjs", "./examples/entropy-minimization.mjs");
  const args = words(shown).filter((word) => word !== "...");
  const command = commandOf(args)!;
  if (command.name === "launch") return check(shown.replace(/^.*? (?=train )/, ""));
  const externals = await loadExternals(canonicalArguments(args));
  const rest = args.slice(command.name.split(" ").length);
  if (asksForHelp(rest)) return;
  const { values, given } = parseArguments(command, flagsOf(command, externals.catalog), rest);
  if (command.name !== "train" || given.has("resume") || call.includes("...") || values.config === "run.yaml") return;
  const file = values.config === undefined ? [] : readConfigFile(String(values.config)).given;
  resolveConfig(externals.named(new Map([...file, ...given])), externals.catalog);
}

describe("command lines", () => {
  const sources = [
    ...pages.map((page) => [page, codeOf(page)] as const),
    ...[...filesOf("examples", /\.mjs$/), ...filesOf("examples/cluster", /\.sbatch$/)].map(
      (file) => [file, read(file)] as const,
    ),
    ...commands.map(({ name, examples }) => [`fewlabels ${name} --help`, examples.join("\n")] as const),
  ];
  const calls = sources.flatMap(([source, text]) => callsIn(text).map((call) => [source, call] as const));

  it("are found", () => expect(calls.length).toBeGreaterThan(110));

  it.each(calls)("%s: fewlabels %s", async (_, call) => {
    await expect(check(call)).resolves.toBeUndefined();
  });

  it.each(commands)(
    "$name --help: its examples can be pasted into a shell, and name no file that is not here",
    (command) => {
      for (const line of command.examples) {
        expect(line.replace(/'[^']*'/g, "")).not.toMatch(/[()<>;&]/);
        for (const [path] of line.matchAll(/\b(bench|scripts|examples|docs)\/\S+\.\w+/g))
          expect(existsSync(join(root, path))).toBe(true);
      }
    },
  );
});

describe("flags in the text", () => {
  /** Of other programs: torchrun, npm, the linker, our scripts. And what is shown to be refused. */
  const foreign = /^--(max_restarts|ignore-scripts|no-as-needed|widths|turns|cuda|only=|help|save-best test)/;
  const known = commands.map((command) => flagsOf(command, catalog));

  it.each([...pages, ...filesOf("docs/decisions", /\.md$/)])(
    "%s: exist, and take the values they are shown with",
    (page) => {
      const spans = [...read(page).matchAll(/`(--[a-z][^`\n]*)`/g)].map((match) => match[1]!);
      const own = spans.filter((span) => !foreign.test(span) && !/\.KEY\b/.test(span) && !span.includes(" has no "));
      expect(own.filter((span) => !known.some((flags) => fits(span, flags)))).toEqual([]);
    },
  );

  /** Whether all flags of the span are among these, with values that they take; capitals stand for any value. */
  function fits(span: string, flags: ReturnType<typeof flagsOf>): boolean {
    const args = words(span);
    return args.every((word, i) => {
      if (!word.startsWith("--")) return true;
      const [name, inline] = word.slice(2).split("=", 2) as [string, string?];
      const option = (flags.get(canonicalKey(name)) ?? flags.get(canonicalKey(name.replace(/^no-/, ""))))?.option;
      const value = inline ?? (args[i + 1]?.startsWith("--") ? undefined : args[i + 1]);
      if (!option || value === undefined || /^[A-Z][\w.]*$|^n$/.test(value)) return option !== undefined;
      try {
        parseOption(option, word, value, "");
        return true;
      } catch {
        return false;
      }
    });
  }
});

describe("YAML of the pages", () => {
  const yamlOf = (page: string) => [...read(page).matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1]!);

  it("docs/commands/train.md and the tutorial: a configuration", async () => {
    for (const text of ["docs/commands/train.md", "docs/tutorial-method.md"].flatMap(yamlOf)) {
      const method = "./examples/entropy-minimization.mjs";
      const { given } = parseConfig("run.yaml", text.replace("./my-method.mjs", method));
      const externals = await loadExternals(["train", "--method", method]);
      expect(resolveConfig(externals.named(given), externals.catalog).dataset).toBe("digits");
    }
  });

  const folder = folderOfThisFile();
  it.each(["yaml", "yml"])("docs/experiments.md: an experiment (.%s)", (ending) => {
    const file = join(folder, `mine.${ending}`);
    writeFileSync(file, yamlOf("docs/experiments.md")[0]!);
    const definition = findDefinition(file);
    for (const scale of ["paper", "small"] as const) {
      const { arms } = planExperiment(definition, { scale, out: "nowhere" });
      expect(arms.map(({ key }) => key)).toContain("mean-teacher/4000");
    }
  });
});
