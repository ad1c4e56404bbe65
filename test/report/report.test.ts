import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, describe, expect, it } from "vitest";
import { curveFigure, dotFigure, logTicks, regionFigure, sensitivityFigure } from "../../src/report/figures.js";
import { htmlPage } from "../../src/report/page.js";
import { pngOf } from "../../src/report/plot.js";
import { readRun, thin } from "../../src/report/read-run.js";
import { groupRuns, reportOnRuns } from "../../src/report/runs-report.js";
import type { RunResult } from "../../src/run/events.js";
import { RunFolder } from "../../src/run/index.js";

const folder = mkdtempSync(join(tmpdir(), "fewlabels-report-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A finished run folder without training. */
function fakeRun(
  name: string,
  method: string,
  seed: number,
  error: number,
  data?: string,
  dataFingerprint = "x",
  steps = 20,
) {
  const path = join(folder, name);
  const config = {
    dataset: "digits",
    method,
    model: "mlp",
    labels: "10",
    steps,
    seed,
    labelSeed: seed,
    methodOptions: {},
    modelOptions: {},
    optimizerOptions: {},
    datasetOptions: {},
    ...(data !== undefined && { data }),
    out: path,
  };
  const run = RunFolder.create(path, config, { versions: {}, dataFingerprint, labelsFingerprint: `of seed ${seed}` });
  for (const step of [10, 20]) {
    run.append({ type: "step", step, metrics: { classification: 1 / step } } as { type: string });
    run.append({ type: "evaluation", step, test: { student: { error: error + 10 / step, loss: 1, n: 10 } } } as {
      type: string;
    });
  }
  const result = {
    method,
    steps: 20,
    seed,
    error,
    test: { student: { error, loss: 1, n: 10 } },
    predictor: "student",
    elapsedSeconds: 1,
    imagesPerSecond: 5,
  } as unknown as RunResult;
  run.writeResult(result);
  run.close();
  return path;
}

/** Whether a browser would ask anybody for anything. */
function outsideOf(html: string): string[] {
  const without = html.replaceAll(/xmlns(:\w+)?="[^"]*"/g, "");
  return [
    ...without.matchAll(
      /<(script|link|iframe|img|image|object|embed)\b|(?:src|href)="(?!#)[^"]*"|url\((?!#)[^)]*\)|@import|https?:\/\//gi,
    ),
  ].map(([text]) => text);
}

describe("reports of runs", () => {
  const paths = [
    fakeRun("a1", "supervised", 1, 30),
    fakeRun("a2", "supervised", 2, 34),
    fakeRun("b1", "mean-teacher", 1, 20),
    fakeRun("b2", "mean-teacher", 2, 22),
  ];

  it("runs that differ in their seeds alone are one arm, named by what differs", () => {
    const groups = groupRuns(paths.map(readRun));
    expect(groups.map(({ label, runs }) => [label, runs.length])).toEqual([
      ["supervised", 2],
      ["mean-teacher", 2],
    ]);
  });

  it("runs on other data are another arm, whatever the folder is called; the same data in two places are one", () => {
    const [here, there] = ["/data/mnist", "/other/mnist"];
    const runs = [
      fakeRun("d1", "vat", 1, 30, here, "sum-1"),
      fakeRun("d2", "vat", 2, 30, there, "sum-1"),
      fakeRun("d3", "vat", 1, 50, there, "sum-2"),
      fakeRun("d4", "vat", 1, 70, there, "sum-3"),
    ];
    const labelsOf = (some: readonly string[]) =>
      groupRuns(some.map(readRun)).map(({ label, runs: r }) => [label, r.length]);
    expect(labelsOf(runs)).toEqual([
      ["vat, data /data/mnist", 2],
      ["vat, data /other/mnist sum-2", 1],
      ["vat, data /other/mnist sum-3", 1],
    ]);
  });

  it("folds of one comparison are one arm, those of two comparisons are two", () => {
    const runs = ["a", "b"].flatMap((name) =>
      [1, 2].map((seed) =>
        fakeRun(`f-${name}-${seed}`, "knn", seed, 30, `/c/${name}/folds/fold-${seed}`, `sum-${name}-${seed}`),
      ),
    );
    expect(groupRuns(runs.map(readRun)).map(({ runs: r }) => r.length)).toEqual([2, 2]);
  });

  it("the page shows means, deviations and curves, and asks nobody for anything", () => {
    const { sections, figures } = reportOnRuns(paths.map(readRun), "Two <arms>");
    const html = htmlPage("Two <arms>", sections);
    expect(html).toContain("32.00 ± 2.83");
    expect(html).toContain("21.00 ± 1.41");
    expect(html).toContain("Two &#60;arms&#62;");
    expect(figures.map(({ name }) => name)).toEqual(["errors", "error-curves", "cost-curves"]);
    expect(outsideOf(html)).toEqual([]);
    expect(outsideOf('<img src="https://x.y/z.png">').length).toBeGreaterThan(0);
  });

  it("errors on test and on validation images are two figures", () => {
    const [one, other] = [readRun(paths[0]!), readRun(paths[2]!)];
    const held = { ...other, curves: { ...other.curves, split: "val" as const } };
    for (const records of [
      [one, held],
      [held, one],
    ]) {
      const curves = reportOnRuns(records, "Two").figures.filter(({ name }) => name.startsWith("error-curves"));
      expect(curves.map(({ name, title }) => [name, /on (\w+) images/.exec(title)?.[1]])).toEqual([
        ["error-curves-test", "test"],
        ["error-curves-val", "validation"],
      ]);
      expect(curves.map(({ svg }) => svg.includes("validation error in %"))).toEqual([false, true]);
    }
  });

  it("a seed that lacks a step, or has not come as far, takes no point of the others away", () => {
    const curve = (length: number, without: readonly number[] = [], factor = 1) => {
      const steps = Array.from({ length }, (_, i) => i + 1).filter((step) => !without.includes(step));
      return { steps, values: steps.map((step) => factor * step) };
    };
    const placesOf = (curves: ReturnType<typeof curve>[]) => {
      const { svg } = curveFigure("c", "c", [{ series: "s", facet: "", curves }], { label: "cost" });
      const [, line = ""] =
        /<path [^>]*stroke-width="1.8"[^>]* d="([^"]*)"|<g [^>]*stroke-width="1.8"[^>]*>\s*<path[^>]* d="([^"]*)"/
          .exec(svg)!
          .filter((part, i) => i === 0 || part !== undefined);
      return line.split(/[ML]/).slice(1);
    };
    const alike = placesOf([curve(200), curve(200)]);
    expect(alike).toHaveLength(50); // four steps each
    expect(placesOf([curve(200), curve(200, [7])])).toHaveLength(50);
    expect(placesOf([curve(200), curve(136)])).toEqual(alike);
    expect(placesOf([curve(60), curve(58)])).toEqual(placesOf([curve(60)]));
  });

  it("the cost curve of an arm keeps its points where one seed's log lacks a number, or is not at its end", () => {
    const read = (seed: number, length: number, missing: number) => {
      const path = fakeRun(`long-${seed}`, "pi-model", seed, 10, undefined, "x", length);
      const log = Array.from({ length: Math.min(length, 4000) }, (_, i) =>
        JSON.stringify({ type: "step", step: i + 1, metrics: { classification: i === missing ? null : 1 } }),
      );
      writeFileSync(join(path, "metrics.jsonl"), `${log.join("\n")}\n`);
      return readRun(path).curves.cost!.steps;
    };
    const whole = read(1, 4000, -1);
    expect(whole).toHaveLength(60);
    expect(read(2, 4000, 3)).toEqual(whole);
    expect(read(3, 8000, -1)).toEqual(Array.from({ length: 30 }, (_, i) => Math.round(((i + 1) * 8000) / 60)));
  });

  it("more curves than colors stand in a panel for each arm", () => {
    const methods = Array.from({ length: 9 }, (_, i) => `method-${i}`);
    const many = methods.map((method, i) => fakeRun(`many-${i}`, method, 1, 10 + i));
    const { figures } = reportOnRuns(many.map(readRun), "Many");
    const curves = figures.find(({ name }) => name === "error-curves")!.svg;
    for (const method of methods) expect(curves.split(`>${method}<`).length - 1).toBe(1);
    expect(curves).not.toContain(">method-0, student<");
    expect(curves.match(/aria-label="fx-axis tick label"|fx-axis/g)?.length).toBeGreaterThan(0);
  });

  it("a run under way has no error yet, and is said to be unfinished", () => {
    const path = join(folder, "open");
    RunFolder.create(path, { method: "vat", steps: 9 }, { versions: {}, dataFingerprint: "x" }).close();
    const { sections } = reportOnRuns([readRun(path)], "One");
    expect(htmlPage("One", sections)).toContain("not finished");
  });
});

describe("plots", () => {
  const dots = [
    { row: "supervised", column: "4,000 labels", values: [40, 42, 41], published: 20.66 },
    { row: "Mean Teacher", column: "4,000 labels", values: [36, 35], published: 12.31 },
  ];
  const curve = { steps: [10, 20, 30], values: [50, 40, 30] };
  const region = {
    title: "run",
    x: [0, 1],
    y: [0, 1],
    columns: 2,
    rows: 1,
    probabilities: [0.1, 0.9],
    points: [{ x: 0.2, y: 0.2, label: 1, labeled: true }],
  } as const;
  const figures = [
    dotFigure("a", "dots", "error in %", dots),
    curveFigure(
      "b",
      "curves",
      [
        { series: "student", facet: "x", curves: [curve] },
        { series: "teacher", facet: "x", curves: [curve, curve] },
      ],
      { label: "error", log: true },
    ),
    sensitivityFigure(
      "c",
      "weights",
      "error",
      [
        { ...dots[0]!, column: "0", x: 0 },
        { ...dots[0]!, column: "1", x: 1 },
      ],
      { label: "weight", scale: "log" },
    ),
    sensitivityFigure("d", "names", "error", [{ ...dots[0]!, column: "one long name" }], {
      label: "noise",
      scale: "names",
    }),
    regionFigure("e", "regions", [region]),
  ];

  it.each(figures)("$title: finite marks, and a PNG of the size of the SVG", async ({ svg }) => {
    expect(svg).toMatch(/^<svg/);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg) ?? [];
    const { width: w, height: h, format } = await sharp(await pngOf(svg)).metadata();
    expect([format, w, h]).toEqual(["png", 2 * Number(width), 2 * Number(height)]);
  });

  it("a figure of very many panels has a PNG as well, of fewer pixels a unit", async () => {
    const curves = [{ steps: [1, 2], values: [3, 4] }];
    const many = Array.from({ length: 60 }, (_, i) => ({ series: "student", facet: `arm ${i}`, curves }));
    const { svg } = curveFigure("w", "w", many, { label: "error" });
    const { width } = await sharp(await pngOf(svg), { limitInputPixels: false }).metadata();
    expect(width).toBeLessThan(32_768);
    expect(width).toBeGreaterThan(32_000);
  });

  it("every seed and the printed value are in the plot", () => {
    const circles = (text: string) => [...text.matchAll(/<circle/g)].length;
    const [, printed = ""] = /<g[^>]*stroke="#d55e00"[^>]*>(.*?)<\/g>/s.exec(figures[0]!.svg) ?? [];
    expect(circles(figures[0]!.svg)).toBe(5 + 2);
    expect([...printed.matchAll(/<path/g)].length).toBe(2);
  });

  it("thinning keeps means of equal stretches at their last steps", () => {
    expect(thin({ steps: [1, 2, 3, 4, 6], values: [2, 4, 6, 8, 9] }, 6, 3)).toEqual({
      steps: [2, 4, 6],
      values: [3, 7, 9],
    });
    expect(thin({ steps: [0, 5, 6], values: [2, 4, 6] }, 6, 3)).toEqual({ steps: [0, 5, 6], values: [2, 4, 6] });
  });
});

describe("axes and legends", () => {
  it.each([
    [
      [44, 71],
      [45, 50, 55, 60, 65, 70],
    ],
    [
      [0.02, 3],
      [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2],
    ],
    [
      [5, 90],
      [5, 10, 20, 50],
    ],
  ])("a logarithmic axis over %j has labels %j", ([low, high], ticks) => {
    expect(logTicks([{ low: low!, high: high! }])).toEqual(ticks);
  });

  it("a legend takes another line where its names do not fit", () => {
    const curve = { steps: [1, 2], values: [3, 4] };
    const figureOf = (names: readonly string[]) =>
      curveFigure(
        "a",
        "a",
        names.map((series) => ({ series, facet: "f", curves: [curve] })),
        { label: "y" },
      );
    const heightOf = (svg: string) => Number(/^<svg[^>]*height="(\d+)"/.exec(svg)?.[1]);
    const long = Array.from({ length: 8 }, (_, i) => `a method with a long name ${i}`);
    expect(heightOf(figureOf(long).svg)).toBeGreaterThan(heightOf(figureOf(["a", "b"]).svg) + 40);
  });

  it("two seeds are dots without an interval", () => {
    const figure = (values: readonly number[]) =>
      sensitivityFigure("s", "s", "error", [{ row: "r", column: "c", values }], { label: "x", scale: "names" }).svg;
    expect(figure([10, 30])).not.toContain(">80<");
    expect(figure([10, 30, 60])).toContain(">80<");
  });
});
