/** Numbers and tables as people read them. */
import { lineName } from "../files/names.js";

export { quoted } from "../errors.js";

/** At least three useful digits whatever the size: 12.3, 0.00412, 1.2e-7; never "0.00" for something that is not 0. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(1);
  if (size >= 1000) return value.toFixed(0);
  return value.toPrecision(size >= 100 ? 4 : 3);
}

/** Seconds as 4.2 s, 1:23 or 2:03:04. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const two = (n: number) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** Whole number with a comma every three digits. */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

export function percent(value: number): string {
  return `${value.toFixed(2)} %`;
}

/** An evaluation metric as people read it: `top5Error` is "top-5 error". */
export function metricName(key: string): string {
  return key.replace(/^top(\d+)Error$/, "top-$1 error");
}

/** Whether a metric of that name is a percentage. */
export function isPercentage(key: string): boolean {
  return /error$/i.test(key);
}

/** Lines of a table, a row each whatever the names in it hold: first column left, the others right. */
export function table(named: readonly (readonly string[])[]): string[] {
  const rows = named.map((row) => row.map(lineName));
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join("  ")
      .trimEnd(),
  );
}

/** Wraps at word ends. */
export function wrap(text: string, width: number, indent = ""): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(/\s+/)) {
    if (line.length + word.length + 1 > width && line.trim() !== "") {
      lines.push(line.trimEnd());
      line = indent;
    }
    line += `${word} `;
  }
  if (line.trim() !== "") lines.push(line.trimEnd());
  return lines;
}
