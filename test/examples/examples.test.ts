/** A data set, a network, a method and an optimizer from outside the package: examples/, through every command and the library. */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { beforeAll, expect, it } from "vitest";
import { describeTraining, fewlabels, lastJson, start } from "../cli/run-cli.js";
import { folderOfThisFile } from "../support/train-run.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const files = { dataset: "stripes", model: "plain-net", method: "entropy-minimization", optimizer: "lion" } as const;

/** A project that has fewlabels installed, and beside it the examples. */
const project = folderOfThisFile();
beforeAll(() => {
  mkdirSync(join(project, "node_modules"));
  symlinkSync(root, join(project, "node_modules/fewlabels"), "dir");
  for (const name of Object.values(files))
    copyFileSync(join(root, `examples/${name}.mjs`), join(project, `${name}.mjs`));
});

const modules = Object.fromEntries(Object.entries(files).map(([kind, name]) => [kind, join(project, `${name}.mjs`)]));
const flags = Object.entries(files).flatMap(([kind, name]) => [`--${kind}`, `./${name}.mjs`]);
const small = "--labels 9 --batch 12 --labeled-batch 4 --threads 1 --precision fp32 --log-every 1 --eval-every 0".split(
  " ",
);
const own =
  "--dataset.train 120 --dataset.test 60 --model.channels 4 --optimizer.lr 0.002 --optimizer.decay 0.01".split(" ");
const run = (...args: string[]) => fewlabels(args, { cwd: project });
const train = (out: string, ...more: string[]) =>
  run("train", ...flags, ...small, ...own, "--out", out, "--json", ...more);
const read = (...path: string[]) => JSON.parse(readFileSync(join(project, ...path), "utf8"));
/** Runs a program of the project and returns what it prints as JSON. */
const program = (text: string) => {
  writeFileSync(join(project, "program.mjs"), text);
  return JSON.parse(execFileSync(process.execPath, ["program.mjs"], { cwd: project, encoding: "utf8" }));
};

describeTraining("definitions from outside", () => {
  it("train, all four together, and the run folder alone is enough to evaluate, predict and pseudo-label", async () => {
    const trained = await train("whole", "--steps", "8");
    expect(trained).toMatchObject({ code: 0 });
    expect(read("whole/config.json")).toMatchObject({
      dataset: "stripes",
      model: "plain-net",
      method: "entropy-minimization",
      modules,
      modelOptions: { channels: 4, freeze: "none" },
      optimizerOptions: { name: "lion", lr: 0.002, beta1: 0.9, decay: 0.01, schedule: "sigmoid" },
    });
    const folder = join(project, "whole");
    const evaluated = await fewlabels(["evaluate", folder, "--json"]); // from another folder
    expect(lastJson(evaluated.out)).toEqual(lastJson(trained.out));
    const picture = join(project, "pictures/a.png");
    mkdirSync(join(project, "pictures"));
    await sharp(Buffer.alloc(12 * 12, 200), { raw: { width: 12, height: 12, channels: 1 } })
      .png()
      .toFile(picture);
    const predicted = await fewlabels(["predict", folder, picture, "--json"]);
    expect(lastJson(predicted.out)).toMatchObject({
      file: picture,
      class: expect.stringMatching(/horizontal|vertical|diagonal/),
    });
    const labeled = await run("pseudo-label", folder, "--data", "pictures", "--out", "labels.csv");
    expect(labeled.code).toBe(0);
    expect(readFileSync(join(project, "labels.csv"), "utf8")).toMatch(/^a\.png,(horizontal|vertical|diagonal),/m);
    const table = await run("predictions", folder, "--out", "table.safetensors", "--json");
    expect(lastJson(table.out)).toMatchObject({ rows: 120, classes: 3 });
  }, 120_000);

  it("are interrupted and continued to the same bits, named again or not", async () => {
    const running = start(["train", ...flags, ...small, ...own, "--steps", "300", "--out", "cut"], { cwd: project });
    await running.seen(/step \d+\/300/);
    running.child.kill("SIGINT");
    expect((await running.finished).code).toBe(130);
    const resumed = await fewlabels(["train", "--resume", join(project, "cut"), "--json"]);
    expect(resumed.code).toBe(0);
    const whole = await train("uncut", "--steps", "300");
    const { test, error } = lastJson(whole.out);
    expect(lastJson(resumed.out)).toMatchObject({ test, error } as object);
    expect((await train("uncut", "--steps", "300", "--resume")).code).toBe(0); // finished
  }, 120_000);

  it("are known to bench, data preview, data split, data pack and model", async () => {
    const bench = await run(
      "bench",
      ...flags,
      ...small.slice(0, -4), // it logs and evaluates nothing
      "--warmup",
      "1",
      "--steps",
      "2",
      "--dataset.train",
      "120",
      "--json",
    );
    expect(bench).toMatchObject({ code: 0 });
    expect(lastJson(bench.out)).toMatchObject({
      dataset: "stripes",
      model: "plain-net",
      method: "entropy-minimization",
    });
    const preview = await run("data", "preview", ...flags, "--labels", "9", "--out", "views.png", "--images", "4");
    expect(preview).toMatchObject({ code: 0 });
    expect(existsSync(join(project, "views.png"))).toBe(true);
    const split = await run(
      "data",
      "split",
      "--dataset",
      "./stripes.mjs",
      "--labels",
      "9",
      "--out",
      "list.txt",
      "--json",
    );
    expect(lastJson(split.out)).toMatchObject({ labeled: 9, byClass: { horizontal: 3, vertical: 3, diagonal: 3 } });
    const packed = await run("data", "pack", "--dataset", "./stripes.mjs", "--out", "shards/s", "--json");
    expect(lastJson(packed.out)).toMatchObject({ classes: ["horizontal", "vertical", "diagonal"] });
    const facts = await run("model", "./plain-net.mjs", "--model.channels", "8", "--json");
    expect(lastJson(facts.out)).toMatchObject({ parameters: 3 * 9 * 8 + 16 + 8 * 9 * 16 + 32 + 16 * 10 + 10 });
    const help = await run("train", ...flags, "--help");
    for (const flag of ["--dataset.noise", "--model.channels", "--method.entropyWeight", "--optimizer.beta2"]) {
      expect(help.out).toContain(flag);
    }
  }, 120_000);

  it("are named in a YAML file, seen from that file's folder, and as installed packages", async () => {
    mkdirSync(join(project, "configs"));
    for (const [kind, name] of Object.entries(files)) {
      copyFileSync(join(project, `${name}.mjs`), join(project, "configs", `${kind}.mjs`));
      mkdirSync(join(project, "node_modules", `my-${kind}`));
      writeFileSync(
        join(project, "node_modules", `my-${kind}`, "package.json"),
        '{ "type": "module", "main": "index.js" }',
      );
      copyFileSync(join(project, `${name}.mjs`), join(project, "node_modules", `my-${kind}`, "index.js"));
    }
    const yaml = `dataset:\n  name: ./dataset.mjs\n  train: 120\n  test: 60\nmodel:\n  name: ./model.mjs\n  channels: 4\nmethod:\n  name: ./method.mjs\noptimizer:\n  name: ./optimizer.mjs\n  lr: 0.002\nlabels: 9\nbatch: 12\nsteps: 2\n`;
    writeFileSync(join(project, "configs/run.yaml"), yaml);
    expect(await run("train", "configs/run.yaml", "--out", "yaml")).toMatchObject({ code: 0 });
    const there = Object.fromEntries(Object.keys(files).map((kind) => [kind, join(project, "configs", `${kind}.mjs`)]));
    expect(read("yaml/config.json").modules).toEqual(there);
    const packages = Object.keys(files).flatMap((kind) => [
      `--${kind === "optimizer" ? "optimizer.name" : kind}`,
      `my-${kind}`,
    ]);
    const installed = await run("train", ...packages, ...small, ...own, "--steps", "2", "--out", "package");
    expect(installed).toMatchObject({ code: 0 });
    expect(read("package/config.json").modules.optimizer).toBe(join(project, "node_modules/my-optimizer/index.js"));
  }, 120_000);

  it("are given to the library by `extend`, in this thread, in a worker, resumed, evaluated and predicted", () => {
    const out = program(`
      import { catalog, evaluateRun, extend, loadPlugin, openPredictor, resume, runInWorker, train } from "fewlabels";
      import { dataSet } from "./stripes.mjs";
      import { model } from "./plain-net.mjs";
      import { method } from "./entropy-minimization.mjs";
      import { optimizer } from "./lion.mjs";
      const mine = extend(catalog, { dataSets: [dataSet], models: [model], methods: [method], optimizers: [optimizer] });
      const input = {
        dataset: { name: "stripes", train: 120, test: 60 }, labels: 9, batch: 12, labeledBatch: 4, threads: 1, precision: "fp32",
        model: { name: "plain-net", channels: 4 }, method: "entropy-minimization", optimizer: { name: "lion", lr: 0.002 },
        steps: 6, out: "library",
      };
      let steps = 0;
      const run = train(input, { catalog: mine, stop: () => ++steps >= 3 });
      const kinds = [];
      for await (const event of run) kinds.push(event.type);
      let error;
      for await (const event of resume("library", { catalog: mine, changes: { threads: 1 } })) if (event.type === "done") error = event.result.error;
      let finished = 0;
      for await (const event of resume("library", { catalog: mine })) finished++;
      const evaluated = await evaluateRun("library", { split: "test", catalog: mine });
      const predictor = await openPredictor("library", { catalog: mine });
      const wrong = {};
      try { resume("library", { catalog: mine, changes: { steps: 9 } }); } catch (error) { wrong.steps = error.message; }
      try { resume("library"); } catch (error) { wrong.catalog = error.message; }
      try { extend(mine, { models: [model] }); } catch (error) { wrong.twice = error.message; }
      const loaded = extend(catalog, { dataSets: [await loadPlugin("dataset", "./stripes.mjs")] });
      const { resolveConfig } = await import("fewlabels");
      const worker = runInWorker(resolveConfig({ dataset: { name: "stripes", train: 60, test: 30 }, labels: 9, batch: 12, model: "convnet-tiny", steps: 2, out: "worker" }, loaded));
      for await (const event of worker) kinds.push(event.type);
      console.log(JSON.stringify({ folder: run.folder, kinds, error, finished, evaluated: evaluated.result.error, classes: predictor.classes, wrong, worker: (await worker.result).dataset }));
    `);
    expect(out).toMatchObject({
      folder: "library",
      finished: 0,
      worker: "stripes",
      classes: ["horizontal", "vertical", "diagonal"],
    });
    expect(out.kinds).toContain("interrupted");
    expect(out.evaluated).toBe(out.error);
    expect(out.wrong.steps).toMatch(/steps is 9, but the run in library was started with 6/);
    expect(out.wrong.catalog).toMatch(/unknown data set "stripes"/);
    expect(out.wrong.twice).toMatch(/there is a model called "plain-net" already/);
  }, 120_000);

  it.each(Object.keys(files))(
    "a wrong --%s exits 2 with one line that names the file",
    async (kind) => {
      const noun = { dataset: "data set", model: "model", method: "method", optimizer: "optimizer" }[kind]!;
      const name = `wrong-${kind}.mjs`;
      const attempt = async (text: string | undefined) => {
        if (text !== undefined) writeFileSync(join(project, name), text);
        const { code, err } = await run(
          "train",
          "--dataset",
          "digits",
          `--${kind}`,
          text === undefined ? "./nowhere.mjs" : `./${name}`,
        );
        expect(code).toBe(2);
        expect(err).not.toMatch(/^ {4}at /m);
        expect(err).toContain(join(project, text === undefined ? "nowhere.mjs" : name));
        return err;
      };
      expect(await attempt(undefined)).toMatch(/there is no file/);
      expect(await attempt("export const other = 1;")).toMatch(new RegExp(`exports no ${noun}; expected`));
      expect(await attempt("export default 3;")).toMatch(
        /missing or of another type: name \(a string; got undefined\)/,
      );
      expect(await attempt('throw new Error("on purpose");')).toMatch(/cannot be loaded: on purpose/);
    },
    120_000,
  );

  it("what they make is checked, and the message names the file", async () => {
    const broken: Record<string, [from: string, to: string, RegExp]> = {
      "stripes.mjs": [
        "new Uint8Array(count * side * side)",
        "new Uint8Array(3)",
        /train\.pixels of 120 x 1 x 12 x 12 = 17280 numbers; got 3/,
      ],
      "plain-net.mjs": [
        "return nn.network({ features, fc: nn.linear(2 * channels, numClasses) });",
        "return features;",
        /create\(\) must return a network/,
      ],
      "lion.mjs": [
        "loadStateDict:",
        "load:",
        /create\(\) must return an optimizer; its functions loadStateDict are missing/,
      ],
    };
    for (const [name, [from, to, message]] of Object.entries(broken)) {
      const text = readFileSync(join(project, name), "utf8");
      expect(text).toContain(from);
      writeFileSync(join(project, `broken-${name}`), text.replace(from, to));
      const broke = flags.map((flag) => (flag === `./${name}` ? `./broken-${name}` : flag));
      const { code, err } = await run(
        "train",
        ...broke,
        ...small,
        ...own,
        "--steps",
        "2",
        "--out",
        `run-of-broken-${name}`,
      );
      expect(err).toMatch(message);
      expect(err).toContain(join(project, `broken-${name}`));
      expect(code).toBe(2);
    }
  }, 120_000);

  it("README's library passage runs as it stands there", async () => {
    const readme = readFileSync(join(root, "README.md"), "utf8");
    const [, code] = /## As a library.*?```ts\n(.*?)```/s.exec(readme)!;
    expect(code).toContain("steps: 500,");
    const three = join(project, "three.png");
    await sharp(Buffer.alloc(28 * 28, 90), { raw: { width: 28, height: 28, channels: 1 } })
      .png()
      .toFile(three);
    // Fewer steps and pictures; what is logged comes as one JSON line.
    const short = code!
      .replace("steps: 500,", "steps: 2,")
      .replace('"digits"', '{ name: "digits", train: 200, test: 50 }');
    const told = short.replace("console.log(event.step, event.test)", "log.push(event)");
    const bytes =
      'import { readFileSync } from "node:fs"; const same = await predictor.classify(readFileSync("three.png"));';
    const out = program(
      `const log = [];\n${told}\n${bytes}\nconsole.log(JSON.stringify({ events: log.length, digit, probability, same }));`,
    );
    expect(out).toMatchObject({
      events: 1,
      digit: expect.stringMatching(/^\d$/),
      same: { file: "#0", class: out.digit },
    });
    expect(out.same.probability).toBe(out.probability);
  }, 120_000);

  it("the passages of docs/library.md run as they stand there", async () => {
    const page = readFileSync(join(root, "docs/library.md"), "utf8");
    const [predict, toOnnx] = [...page.matchAll(/```ts\n(.*?)```/gs)].map((match) => match[1]!);
    await train("runs/mine", "--steps", "2");
    const picture = sharp(Buffer.alloc(12 * 12, 90), { raw: { width: 12, height: 12, channels: 1 } }).jpeg();
    for (const name of ["cat.jpg", "dog.jpg"]) await picture.clone().toFile(join(project, name));
    const told = predict!.replace("console.log(", "said.push(");
    const found = program(`const said = [];\n${told}\nconsole.log(JSON.stringify({ name, probability, said }));`);
    expect(found).toEqual({
      name: expect.any(String),
      probability: expect.any(Number),
      said: ["cat.jpg", found.name, "dog.jpg", found.name],
    });
    program(`${toOnnx}\nconsole.log("{}");`);
    expect(existsSync(join(project, "mine.onnx"))).toBe(true);
  }, 120_000);

  it("what the tutorial quotes stands in its example", () => {
    const lines = (text: string) =>
      text
        .split("\n")
        .map((line) => line.trim())
        .join("\n");
    const quoted = [...readFileSync(join(root, "docs/tutorial-method.md"), "utf8").matchAll(/```js\n(.*?)```/gs)];
    expect(quoted.length).toBeGreaterThan(4);
    const example = lines(readFileSync(join(root, "examples/entropy-minimization.mjs"), "utf8"));
    for (const [, code] of quoted) expect(example).toContain(lines(code!));
  });
});
