/** A confusion matrix as a table: a row a true class, a column what its images were taken for. */
import type { ComponentChildren } from "preact";

interface Cell {
  readonly text: string;
  readonly ground: string;
  readonly title?: string;
}

interface MatrixProps {
  readonly classes: readonly string[];
  /** For screen readers. */
  readonly caption: string;
  readonly cellOf: (truth: number, taken: number) => Cell;
  /** Columns behind the classes. */
  readonly more?: readonly { readonly head: string; readonly style?: string; of(truth: number): ComponentChildren }[];
}

/** A color of so much strength, 0 .. 1. */
export const tint = (good: boolean, strength: number): string =>
  `color-mix(in srgb, var(${good ? "--good" : "--bad"}) ${Math.round(60 * strength)}%, transparent)`;

export function Matrix({ classes, caption, cellOf, more = [] }: MatrixProps) {
  return (
    <div class="scroll">
      <table class="matrix">
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            <th>is \ taken for</th>
            {classes.map((name) => (
              <th key={name} class="number" title={name}>
                {name}
              </th>
            ))}
            {more.map(({ head }) => (
              <th key={head} class="number">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {classes.map((name, i) => (
            <tr key={name}>
              <th title={name}>{name}</th>
              {classes.map((other, k) => {
                const { text, ground, title } = cellOf(i, k);
                return (
                  <td key={other} class="number" style={{ background: ground }} title={title}>
                    {text}
                  </td>
                );
              })}
              {more.map(({ head, style = "", of }) => (
                <td key={head} class={`number ${style}`.trim()}>
                  {of(i)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
