import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { commands } from "../../src/cli/commands/index.js";
import { runOptions } from "../../src/config/run-options.js";
import { binary, describeBinary, fewlabels } from "./run-cli.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fewlabels-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Exit code 2, one message on stderr, nothing on stdout, no stack trace. */
async function wrongUsage(args: readonly string[], message: RegExp, code = 2) {
  const { code: got, out, err } = await fewlabels(args, { cwd: folder });
  expect(err).toMatch(message);
  expect(err).not.toMatch(/^ {4}at /m);
  expect(out).toBe("");
  expect(got).toBe(code);
}

it.each(["predict", "pseudo-label", "embed", "serve", "label", "data audit", "data suggest", "data filter"])(
  "%s takes no more threads than a run",
  (name) => {
    const { threads } = commands.find((command) => command.name === name)!.options;
    expect(threads).toMatchObject({ min: 1, max: runOptions.threads.max });
  },
);

describeBinary("fewlabels", () => {
  it("refuses more threads than machines have", async () => {
    await wrongUsage(["predict", folder, "a.png", "--threads", "99999"], /whole number in 1\.\.1024 for --threads/);
  });

  it("ends with 1 where it waits for what cannot come", async () => {
    const never = join(folder, "never.mjs");
    const facts = 'name: "never", summary: "s", source: "s", needsDir: false, options: {}';
    writeFileSync(never, `export const dataSet = { ${facts}, load: () => new Promise(() => {}) };\n`);
    const { code, err } = await fewlabels(["data", "pack", "--dataset", never, "--out", "shards"], { cwd: folder });
    expect(err).toMatch(/ended before its work was done/);
    expect(code).toBe(1);
  });

  it("shows its commands", async () => {
    const { code, out } = await fewlabels(["--help"]);
    expect(code).toBe(0);
    for (const command of [
      "demo",
      "train",
      "evaluate",
      "predict",
      "pseudo-label",
      "export",
      "serve",
      "dashboard",
      "label",
      "launch",
      "compare",
      "data",
      "list",
      "model",
      "bench",
      "doctor",
    ])
      expect(out).toMatch(new RegExp(`^  ${command} `, "m"));
  });

  it("prints its version", async () => {
    expect((await fewlabels(["--version"])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each(["demo", "train", "evaluate", "predict", "pseudo-label", "data", "list", "model", "bench", "doctor"])(
    "%s --help has examples",
    async (command) => {
      const { code, out } = await fewlabels([command, "--help"]);
      expect(code).toBe(0);
      expect(out).toMatch(new RegExp(`Examples:\\n  fewlabels ${command}`));
    },
  );

  it("train --help has every flag that scripts rely on", async () => {
    const { out } = await fewlabels(["train", "--help"]);
    const flags =
      "--dataset --data --labels --label-seed --method --model --model.width --model.dropout --model.inputNoise --model.heads --model.norm --method.consistencyWeight --method.rampUpSteps --method.classReduction --method.emaDecay --optimizer.name --optimizer.lr --optimizer.warmupSteps --steps --batch --labeled-batch --seed --device --precision --threads --out --resume --eval-every --checkpoint-every --val --json";
    for (const flag of flags.split(" "))
      expect(out, flag).toMatch(new RegExp(`^  ${flag.replaceAll(".", "\\.")}[ \\n]`, "m"));
  });

  it("exits 2 on wrong usage and names the nearest neighbor", async () => {
    await wrongUsage([], /Usage: fewlabels/);
    await wrongUsage(["trian"], /unknown command "trian"\. Did you mean "train"\?/);
    await wrongUsage(["train", "--modle", "x"], /unknown option --modle\. Did you mean --model\?/);
    await wrongUsage(["train", "--dataset", "digits", "--model.widht", "1"], /Did you mean --model\.width\?/);
    await wrongUsage(
      ["train", "--dataset", "digits", "--method", "meanteacher"],
      /unknown method.*Did you mean "mean-teacher"\?/,
    );
    await wrongUsage(
      ["train", "--dataset", "digits", "--steps", "lots"],
      /whole number of at least 1 for --steps, got "lots"/,
    );
    await wrongUsage(["data"], /Usage: fewlabels data/);
    await wrongUsage(["data", "inspct"], /fewlabels data: unknown command "inspct"\. Did you mean "inspect"/);
    await wrongUsage(
      ["data", "split", "--lables", "4"],
      /fewlabels data split: unknown option --lables\. Did you mean --labels\?/,
    );
    await wrongUsage(
      ["predict", "run", "x.jpg", "--topk", "3"],
      /fewlabels predict: unknown option --topk\. Did you mean --top-k/,
    );
    await wrongUsage(["train", "--steps", "3"], /--dataset is required: one of .*digits/);
    await wrongUsage(["train", "--dataset", "cifar10"], /cifar10 needs --data DIR/);
    await wrongUsage(
      ["list", "modles"],
      /expected one of methods, models.* for WHAT, got "modles"\. Did you mean "models"/,
    );
    await wrongUsage(["evaluate", "nowhere"], /nowhere is not a run folder/);
    await wrongUsage(
      ["train", "--dataset", "digits", "--labels", "0"],
      /expected a whole number of at least 1, .* for --labels, got "0"/,
    );
    await wrongUsage(
      ["train", "--dataset", "digits", "--steps", "1", "--out", ""],
      /expected a folder for --out, got ""/,
    );
    await wrongUsage(["train", "--resume"], /--resume needs the run folder/);
    await wrongUsage(["train", "--resume", "nowhere"], /nowhere is not a run folder/);
  }, 60_000);

  it("exits 2 on a faulty configuration file, naming file, line and column", async () => {
    const file = join(folder, "run.yaml");
    const given = async (text: string, message: RegExp) => {
      writeFileSync(file, text);
      await wrongUsage(["train", "run.yaml"], message);
    };
    await given(
      "dataset: digits\nmodel:\n  name: cnn-13\n  widht: 1\n",
      /^run\.yaml:4:3: unknown option model\.widht\. Did you mean model\.width\?/,
    );
    await given("dataset: digits\nsteps: [1, 2]\n", /^run\.yaml:2:1: expected one value for steps, found a list/);
    await given("dataset: digits\n\tsteps: 3\n", /^run\.yaml:2:1: not valid YAML/);
    await given("dataset: digits\nsteps: 3\nsteps: 4\n", /^run\.yaml:3:1: not valid YAML: Map keys must be unique/);
    await wrongUsage(["train", "none.yaml"], /no file "none\.yaml", and no shipped experiment/);
  }, 60_000);

  // Root may read everything: a file of the kernel's that nobody can read stands in for one without permission.
  it.runIf(existsSync("/proc/self/mem"))("exits 2 on a configuration that cannot be read", async () => {
    symlinkSync("/proc/self/mem", join(folder, "secret.yaml"));
    await wrongUsage(["train", "secret.yaml"], /^secret\.yaml: cannot be read \(EIO/);
    await wrongUsage(["experiment", "secret.yaml"], /secret\.yaml: cannot be read \(EIO/);
  });

  it("takes no second word of a command for a configuration", async () => {
    writeFileSync(join(folder, "preview"), "%PNG");
    await wrongUsage(["data", "preview", "--dataset", "digits"], /expected a file for --out, got nothing/);
  });

  it("exits 2 where the working folder is gone", () => {
    const gone = join(folder, "gone");
    const script = `mkdir "${gone}" && cd "${gone}" && rmdir "${gone}" && "${process.execPath}" "${binary}" list models`;
    const { status, stderr } = spawnSync("sh", ["-c", script], { encoding: "utf8" });
    expect(stderr).toMatch(/^fewlabels: the folder that this was started in does not exist any more/);
    expect(status).toBe(2);
  });

  it.runIf(existsSync("/dev/full"))("keeps its exit code where stderr cannot be written", () => {
    expect(spawnSync("sh", ["-c", `"${process.execPath}" "${binary}" nonsense 2>/dev/full`]).status).toBe(2);
  });

  it("lists methods, models and data sets as JSON with names and options", async () => {
    for (const [what, name] of [
      ["methods", "mean-teacher"],
      ["models", "cnn-13"],
      ["datasets", "cifar10"],
      ["experiments", ""],
    ] as const) {
      const { code, out } = await fewlabels(["list", what, "--json"]);
      expect(code).toBe(0);
      const entries = JSON.parse(out) as { name: string; options: object }[];
      for (const entry of entries)
        expect(entry).toMatchObject({ name: expect.any(String), options: expect.any(Object) });
      if (name) expect(entries.map((entry) => entry.name)).toContain(name);
    }
  }, 60_000);

  it("says that --resume took the word after it where that is the configuration", async () => {
    writeFileSync(join(folder, "given.yaml"), "dataset: digits\n");
    await wrongUsage(
      ["train", "--out", "run", "--resume", "given.yaml"],
      /expected the run folder for --resume, got the file given\.yaml\. .* fewlabels train given\.yaml --out RUN --resume/,
    );
  });

  it("refuses seeds that are no whole numbers to a computer", async () => {
    await wrongUsage(["train", "--dataset", "digits", "--label-seed", "1e300"], /for --label-seed, got "1e300"/);
    await wrongUsage(["compare", folder, "--seed", "1e300"], /for --seed, got "1e300"/);
    await wrongUsage(["experiment", "mean-teacher/table-2", "--seeds", "9".repeat(30)], /--seeds/);
  });

  it("ends quietly when the reader goes away", () => {
    const { status, stderr } = spawnSync(
      "bash",
      ["-o", "pipefail", "-c", `"${process.execPath}" "${binary}" train --help | head -1`],
      {
        encoding: "utf8",
      },
    );
    expect(stderr).toBe("");
    expect(status).toBe(0);
  });
});
