// Words on the command line to checked values: one system for every command.
import { describe, expect, it, test } from "vitest";
import { argument, defineCommand, optionalArgument, restArguments } from "../../src/cli/command.js";
import { commands } from "../../src/cli/commands/index.js";
import { launch } from "../../src/cli/commands/launch/launch.js";
import { flagsOf } from "../../src/cli/flags.js";
import { commandHelp } from "../../src/cli/help.js";
import { parseArguments } from "../../src/cli/parse.js";
import { catalog } from "../../src/config/catalog.js";
import { UsageError } from "../../src/errors.js";
import { boolean, choice, integer, number, required, text } from "../../src/options.js";

const look = defineCommand({
  name: "look",
  summary: "s",
  description: "d",
  arguments: { run: argument("run folder"), files: restArguments("pictures") },
  options: {
    out: required(text(undefined, { value: "file", doc: "where to" })),
    topK: integer(undefined, { min: 1, doc: "how many" }),
    share: number(0, { min: 0, max: 1, doc: "a share" }),
    split: choice(["test", "val"], "test", { doc: "which" }),
    json: boolean(false, { doc: "as JSON" }),
  },
  takes: "model",
  examples: ["fewlabels look a b --out c"],
  run() {},
});
const parse = (words: string, command = look) =>
  parseArguments(command, flagsOf(command, catalog), words.split(" ").filter(Boolean));
const complaint = (words: string): string => {
  try {
    parse(words);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message;
  }
  return "";
};

describe("parseArguments", () => {
  it("gives arguments and options their types, and defaults to the rest", () => {
    expect(parse("runs/a --out=f x.png --top-k 3 y.png --split val").values).toEqual({
      run: "runs/a",
      files: ["x.png", "y.png"],
      out: "f",
      topK: 3,
      share: 0,
      split: "val",
      json: false,
    });
  });

  it("takes every spelling, the last of two, and -- before names that begin with a dash", () => {
    const { values, given } = parse("r --out f --topK 2 --top-k=4 --model.input-noise 0.1 -- --odd -v.png");
    expect(values).toMatchObject({ topK: 4, files: ["--odd", "-v.png"] });
    expect([...given]).toEqual([["model.inputNoise", "0.1"]]);
  });

  it("--no-json takes no value", () => {
    expect(complaint("r x --out f --no-json=false")).toBe(
      'fewlabels look: expected nothing after --no-json, got "false". Give --no-json, or --json with true or false',
    );
  });

  it("a command in a command keeps its flags, with -- before it and without", () => {
    const words = ["train", "--dataset", "digits", "--json"];
    for (const before of ["-n 2 -- ", "-n 2 "]) {
      expect(parse(`${before}${words.join(" ")}`, launch).values).toEqual({ processes: 2, command: words });
    }
  });

  it("a switch takes the next word only where that is true or false", () => {
    expect(parse("r --json x.png --out f").values).toMatchObject({ json: true, files: ["x.png"] });
    expect(parse("r x --json false --out f").values).toMatchObject({ json: false, files: ["x"] });
    expect(parse("r x --json --no-json --out f").values).toMatchObject({ json: false });
  });

  it("--resume stands with its run or alone", () => {
    const train = commands.find(({ name }) => name === "train")!;
    expect([...parse("--resume --out f", train).given]).toEqual([
      ["out", "f"],
      ["resume", true],
    ]);
    expect([...parse("--resume f", train).given]).toEqual([["resume", "f"]]);
  });

  test.each([
    ["r x", /^fewlabels look: expected a file for --out, got nothing \(where to\)/],
    ["--out f", /^fewlabels look: expected a run folder for RUN, got nothing \(run folder\)/],
    ["r --out f", /^fewlabels look: expected a file for FILES, got nothing/],
    ["r x --out --json", /^fewlabels look: expected a file for --out, got nothing/],
    [
      "r x --out f --top-k 0",
      /^fewlabels look: expected a whole number of at least 1 for --top-k, got "0" \(how many\)/,
    ],
    ["r x --out f --share -1", /^fewlabels look: expected a number in 0\.\.1 for --share, got "-1"/],
    ["r x --out f --split tset", /expected one of test, val for --split, got "tset"\. Did you mean "test"\?/],
    ["r x --out f --json=yes", /expected true or false for --json, got "yes"/],
    ["r x --out f --tpo-k 3", /^fewlabels look: unknown option --tpo-k\. Did you mean --top-k\?/],
    ["r x --out f -k 3", /^fewlabels look: unknown option -k/],
    ["r x --out f --steps 3", /^fewlabels look: unknown option --steps.*`fewlabels look --help`/],
  ])("%s is a UsageError that says what was expected where", (words, message) => {
    expect(complaint(words)).toMatch(message);
  });

  it("refuses words that no argument takes", () => {
    const none = { ...look, arguments: {} };
    expect(() => parse("x --out f", none)).toThrow(/expected no argument, got "x"/);
    const one = { ...look, arguments: { config: optionalArgument("a file") } };
    expect(parse("--out f", one).values).toMatchObject({ config: undefined });
    expect(() => parse("a b --out f", one)).toThrow(/expected nothing after CONFIG, got "b"/);
  });
});

describe("every command", () => {
  it.each(commands)("$name: help names every flag and has an example", (command) => {
    const flags = flagsOf(command, catalog);
    const text = commandHelp(command, flags);
    for (const [key] of flags)
      expect(text).toContain(`--${key.includes(".") ? key : key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`);
    expect(text).toMatch(new RegExp(`Examples:\n  fewlabels ${command.name}`));
    // What `launch` starts has a --json of its own.
    if (command.name !== "launch") expect(Object.keys(command.options)).toContain("json");
  });
});
