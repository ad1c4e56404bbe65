/** Pseudo-labels by class beside what the labels say they should be. */
import type { SeenPictures } from "../../../../src/web/dashboard/api.js";
import { percent } from "../words.js";
import type { PseudoLabels } from "./beliefs.js";

interface HistogramProps {
  readonly pictures: SeenPictures;
  readonly labels: PseudoLabels;
  readonly threshold: number;
}

export function PseudoLabelHistogram({ pictures, labels, threshold }: HistogramProps) {
  const { taken, counts, sure, all, precision, collapsed } = labels;
  const { classes, prior } = pictures;
  const shareOf = (count: number) => count / Math.max(1, all);
  const shares = taken.map(shareOf);
  const most = Math.max(...shares, ...prior, 0.01);
  return (
    <details class="histogram" open={classes.length <= 20}>
      <summary>
        Pseudo-labels: {sure} of {all} pictures ({percent((100 * sure) / Math.max(1, all))}) reach {threshold}
        {precision !== undefined && `; ${percent(100 * precision)} of them are right`}
      </summary>
      {collapsed !== undefined && (
        <p class="warning" role="alert">
          Collapse: {percent(100 * shares[collapsed]!)} of the pictures are taken for "{classes[collapsed]}", which has{" "}
          {percent(100 * prior[collapsed]!)} of the labels.
        </p>
      )}
      <table>
        <thead>
          <tr>
            <th>class</th>
            <th class="number">taken for it</th>
            <th class="number">sure</th>
            <th>
              share; in full color the sure ones; tick: share of the labels <span class="tick" aria-hidden="true" />
            </th>
          </tr>
        </thead>
        <tbody>
          {classes.map((name, k) => (
            <tr key={name} class={k === collapsed ? "bad" : ""}>
              <th>{name}</th>
              <td class="number">{taken[k]}</td>
              <td class="number">{counts[k]}</td>
              <td>
                <span
                  class="share"
                  role="img"
                  aria-label={`${percent(100 * shares[k]!)}, labels ${percent(100 * prior[k]!)}`}
                >
                  <span class="fill faint" style={{ width: `${(100 * shares[k]!) / most}%` }} />
                  <span class="fill" style={{ width: `${(100 * shareOf(counts[k]!)) / most}%` }} />
                  <span class="tick" style={{ left: `${(100 * prior[k]!) / most}%` }} />
                </span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
