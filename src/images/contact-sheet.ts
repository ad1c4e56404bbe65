/** Pictures in rows and columns on one canvas, with a heading over each column. Needs no fonts: the letters are below. */

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** `[height, width, 3]`, sRGB. */
  readonly rgb: Uint8Array;
}

const gap = 6;
const letterScale = 2;
const lineHeight = 7 * letterScale + 2 * gap;

/**
 * Draws a sheet on white. Pictures are enlarged by the largest whole factor that keeps the widest within `cell` pixels, and never
 * made smaller.
 */
export function contactSheet(
  columns: readonly string[],
  rows: readonly (readonly Picture[])[],
  cell: number,
): Picture & { readonly scale: number } {
  const all = rows.flat();
  const scale = Math.max(1, Math.floor(cell / Math.max(1, ...all.map(({ width }) => width))));
  const sideOf = (side: "width" | "height") => scale * Math.max(1, ...all.map((picture) => picture[side]));
  const letters = Math.max(0, ...columns.map((name) => name.length)) * 6 * letterScale;
  const [columnWidth, rowHeight] = [Math.max(sideOf("width"), letters), sideOf("height")];
  const width = gap + columns.length * (columnWidth + gap);
  const height = lineHeight + rows.length * (rowHeight + gap);
  const rgb = new Uint8Array(3 * width * height).fill(255);
  const dot = (x: number, y: number, color: readonly [number, number, number]) => {
    if (x < width && y < height) rgb.set(color, 3 * (y * width + x));
  };
  columns.forEach((name, k) => {
    const left = gap + k * (columnWidth + gap);
    writeText(name, left, gap, (x, y) => dot(x, y, [0, 0, 0]));
    rows.forEach((row, i) => {
      const picture = row[k]!;
      const top = lineHeight + i * (rowHeight + gap);
      for (let y = 0; y < picture.height * scale; y++) {
        for (let x = 0; x < picture.width * scale; x++) {
          const from = 3 * (Math.floor(y / scale) * picture.width + Math.floor(x / scale));
          dot(left + x, top + y, [picture.rgb[from]!, picture.rgb[from + 1]!, picture.rgb[from + 2]!]);
        }
      }
    });
  });
  return { width, height, rgb, scale };
}

function writeText(text: string, left: number, top: number, dot: (x: number, y: number) => void): void {
  [...text.toUpperCase()].forEach((letter, at) => {
    const rows = glyphs[letter] ?? "";
    for (let y = 0; y < 7; y++) {
      const bits = Number.parseInt(rows.slice(2 * y, 2 * y + 2) || "0", 16);
      for (let x = 0; x < 5; x++) {
        if (((bits >> (4 - x)) & 1) === 0) continue;
        for (let i = 0; i < letterScale ** 2; i++) {
          const [dx, dy] = [i % letterScale, Math.floor(i / letterScale)];
          dot(left + (at * 6 + x) * letterScale + dx, top + y * letterScale + dy);
        }
      }
    }
  });
}

/** Letters of 5x7 dots: two hexadecimal digits a line, the leftmost dot first. Only what column names need. */
const glyphs: Readonly<Record<string, string>> = {
  A: "0e11111f111111",
  E: "1f10101e10101f",
  G: "0e11101713110f",
  I: "0e04040404040e",
  K: "11121418141211",
  L: "1010101010101f",
  N: "11191915131311",
  O: "0e11111111110e",
  R: "1e11111e141211",
  S: "0f10100e01011e",
  T: "1f040404040404",
  V: "11111111110a04",
  W: "11111115151b11",
  0: "0e11131519110e",
  1: "040c040404040e",
  2: "0e11010204081f",
  3: "0e11010601110e",
  4: "02060a121f0202",
  5: "1f101e0101110e",
  6: "0608101e11110e",
  7: "1f010204080808",
  8: "0e11110e11110e",
  9: "0e11110f01020c",
};
