/** The error of the models so far against their number of labels, with its interval. */
import type { RatedModel } from "../../../src/web/label/api.js";

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [560, 240, 46, 34, 10] as const;

export function ErrorChart({ models }: { readonly models: readonly RatedModel[] }) {
  const rows = models.filter(({ tested }) => tested > 0);
  if (rows.length === 0) return null;
  const most = Math.max(...rows.map(({ labels }) => labels));
  const least = Math.min(...rows.map(({ labels }) => labels));
  const x = (labels: number) =>
    LEFT + ((WIDTH - LEFT - 20) * (labels - least + (most === least ? 0.5 : 0))) / Math.max(1, most - least);
  const y = (share: number) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - share);
  const band = [
    ...rows.map(({ labels, error }) => `${x(labels)},${y(error.high)}`),
    ...rows.toReversed().map(({ labels, error }) => `${x(labels)},${y(error.low)}`),
  ].join(" ");
  const last = rows.at(-1)!;
  const ticks = [...new Set([least, Math.round((least + most) / 2), most])];
  return (
    <svg
      class="error-chart"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      role="img"
      aria-label={`Error of ${rows.length} models against their labels; the last: ${(100 * last.error.share).toFixed(1)} % with ${last.labels} labels`}
    >
      {[0, 0.25, 0.5, 0.75, 1].map((share) => (
        <g key={share}>
          <line class="rule" x1={LEFT} x2={WIDTH} y1={y(share)} y2={y(share)} />
          <text x={LEFT - 6} y={y(share) + 4} text-anchor="end">
            {100 * share} %
          </text>
        </g>
      ))}
      {ticks.map((labels) => (
        <text key={labels} x={x(labels)} y={HEIGHT - 16} text-anchor="middle">
          {labels}
        </text>
      ))}
      <text x={(LEFT + WIDTH) / 2} y={HEIGHT - 2} text-anchor="middle">
        labels
      </text>
      <polygon class="band" points={band} />
      <polyline class="curve" points={rows.map(({ labels, error }) => `${x(labels)},${y(error.share)}`).join(" ")} />
      {rows.map(({ run, labels, error }) => (
        <g key={run}>
          <line class="whisker" x1={x(labels)} x2={x(labels)} y1={y(error.low)} y2={y(error.high)} />
          <circle cx={x(labels)} cy={y(error.share)} r="4" />
        </g>
      ))}
    </svg>
  );
}
