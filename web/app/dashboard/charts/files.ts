/** What leaves the page as a file: a table of numbers, and names for files. */

/** A text for a cell: quoted where it must be, and never a formula to a program that computes tables. */
export function csvCell(text: string): string {
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

export interface TableCurve {
  readonly run: string;
  readonly name: string;
  readonly steps: ArrayLike<number>;
  readonly values: ArrayLike<number>;
}

/** A row a point, every point: `run,curve,step,value`; what was not finite is an empty value. */
export function csvOf(curves: readonly TableCurve[]): string {
  const lines = ["run,curve,step,value"];
  for (const { run, name, steps, values } of curves) {
    const head = `${csvCell(run)},${csvCell(name)}`;
    for (let i = 0; i < steps.length; i++) {
      const value = values[i]!;
      lines.push(`${head},${steps[i]},${Number.isFinite(value) ? value : ""}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/** A name for a file, of a title that may hold anything. */
export const fileNameOf = (title: string) => title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "") || "chart";
