/** The demo's report: one HTML page without scripts or outside files. */
import type { RunResult } from "../run/events.js";

/** Test error in percent by step. */
export type Curve = readonly (readonly [step: number, error: number])[];

interface Entry {
  readonly result: RunResult;
  readonly curve: Curve;
}

/** Colors that differ for color-blind readers too (Okabe and Ito). */
const colors = ["#d55e00", "#0072b2", "#009e73", "#cc79a7"];

export function reportPage(entries: readonly Entry[]): string {
  const first = entries[0]!.result;
  const rows = entries.map(
    ({ result }) =>
      `<tr><th>${escapeHtml(result.method)}</th><td>${result.error.toFixed(2)} %</td><td>${escapeHtml(result.predictor)}</td>` +
      `<td>${Math.round(result.imagesPerSecond)}</td><td>${result.elapsedSeconds.toFixed(0)} s</td></tr>`,
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>fewlabels: ${escapeHtml(first.dataset)} with ${first.labels} labels</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff; }
  table { border-collapse: collapse; } th, td { padding: .3rem .8rem; border-bottom: 1px solid #ccc; text-align: right; }
  th:first-child { text-align: left; } svg { width: 100%; height: auto; } text { font: 13px system-ui, sans-serif; fill: #444; }
</style>
<h1>What unlabeled pictures are worth</h1>
<p>${first.labels} labeled pictures of ${escapeHtml(first.dataset)}; ${escapeHtml(first.model)}, ${first.steps} steps, seed ${first.seed}, ${escapeHtml(first.precision)} on ${escapeHtml(first.device)}.
Both runs see the same labels; only Mean Teacher sees the other pictures.</p>
${chart(entries)}
<table>
<tr><th>method</th><th>test error</th><th>model</th><th>images/s</th><th>time</th></tr>
${rows.join("\n")}
</table>
</html>
`;
}

/** Lines of test error over steps, with axes and names. */
export function chart(entries: readonly Entry[]): string {
  const [width, height, left, bottom, top, right] = [640, 320, 48, 36, 12, 130];
  const points = entries.flatMap(({ curve }) => [...curve]);
  const maxStep = Math.max(1, ...points.map(([step]) => step));
  const maxError = niceCeiling(Math.max(1, ...points.map(([, error]) => error)));
  const x = (step: number) => left + (step / maxStep) * (width - left - right);
  const y = (error: number) => height - bottom - (error / maxError) * (height - bottom - top);
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const grid = ticks.map((tick) => {
    const at = y(tick * maxError).toFixed(1);
    return (
      `<line x1="${left}" x2="${width - right}" y1="${at}" y2="${at}" stroke="#ddd"/>` +
      `<text x="${left - 6}" y="${at}" dy="4" text-anchor="end">${+(tick * maxError).toFixed(1)} %</text>`
    );
  });
  const steps = [0, 0.5, 1].map(
    (tick) =>
      `<text x="${x(tick * maxStep).toFixed(1)}" y="${height - bottom + 18}" text-anchor="middle">${Math.round(tick * maxStep)}</text>`,
  );
  const ends = spread(
    entries.map(({ curve }) => y(curve.at(-1)?.[1] ?? 0)),
    16,
  );
  const lines = entries.map(({ result, curve }, i) => {
    const path = curve
      .map(([step, error], j) => `${j ? "L" : "M"}${x(step).toFixed(1)} ${y(error).toFixed(1)}`)
      .join("");
    const color = colors[i % colors.length];
    return (
      `<path d="${path}" fill="none" stroke="${color}" stroke-width="2"/>` +
      `<text x="${width - right + 8}" y="${ends[i]!.toFixed(1)}" dy="4" style="fill:${color}">${escapeHtml(result.method)}</text>`
    );
  });
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="test error over steps">
${grid.join("\n")}
${steps.join("\n")}
<text x="${(left + width - right) / 2}" y="${height - 4}" text-anchor="middle">step</text>
${lines.join("\n")}
</svg>`;
}

/** Moves labels apart that would overlap. */
function spread(positions: readonly number[], gap: number): number[] {
  const order = positions.map((_, i) => i).sort((a, b) => positions[a]! - positions[b]!);
  const moved = [...positions];
  for (let i = 1; i < order.length; i++) {
    moved[order[i]!] = Math.max(moved[order[i]!]!, moved[order[i - 1]!]! + gap);
  }
  return moved;
}

function niceCeiling(value: number): number {
  return Math.ceil(value / 10) * 10;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}
