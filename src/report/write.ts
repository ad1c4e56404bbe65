/** Writes a report: the page, and each plot also as SVG and PNG. */
import { join } from "node:path";
import { makeFolder, writeWhole } from "../files/write-whole.js";
import { type Figure, pngOf } from "./plot.js";

/** Writes `figures` into `folder` as NAME.svg and NAME.png; returns the paths. */
export async function writeFigures(folder: string, figures: readonly Figure[]): Promise<string[]> {
  makeFolder(folder);
  const paths: string[] = [];
  for (const { name, svg } of figures) {
    const [vector, raster] = [join(folder, `${name}.svg`), join(folder, `${name}.png`)];
    writeWhole(vector, svg);
    writeWhole(raster, await pngOf(svg));
    paths.push(vector, raster);
  }
  return paths;
}
