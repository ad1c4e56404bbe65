/** The demo's report: one HTML page without scripts or outside files, of the parts that all reports are made of. */
import type { RunResult } from "../run/events.js";

interface Entry {
  readonly result: RunResult;
  /** Test error in percent by step. */
  readonly curve: { readonly steps: readonly number[]; readonly values: readonly number[] };
}

export async function reportPage(entries: readonly Entry[]): Promise<string> {
  // Plots take half a second to load, which other commands need not wait for.
  const [{ htmlPage }, { curveFigure }] = await Promise.all([
    import("../report/page.js"),
    import("../report/figures.js"),
  ]);
  const { dataset, labels, model, steps, seed, precision, device } = entries[0]!.result;
  const facet = `${dataset}, ${labels} labels`;
  const series = entries.map(({ result, curve }) => ({ series: result.method, facet, curves: [curve] }));
  const rows = entries.map(({ result }) => [
    result.method,
    `${result.error.toFixed(2)} %`,
    result.predictor,
    String(Math.round(result.imagesPerSecond)),
    `${result.elapsedSeconds.toFixed(0)} s`,
  ]);
  return htmlPage("What unlabeled pictures are worth", [
    {
      kind: "text",
      lines: [
        `${labels} labeled pictures of ${dataset}; ${model}, ${steps} steps, seed ${seed}, ${precision} on ${device}. ` +
          "Both runs see the same labels; only Mean Teacher sees the other pictures.",
      ],
    },
    {
      kind: "figure",
      figure: curveFigure("error", "Test error over steps", series, { label: "test error in %" }),
    },
    { kind: "table", rows: [["method", "test error", "model", "images/s", "time"], ...rows] },
  ]);
}
