/** Writes the plots of a report as files. */
import { join } from "node:path";
import { makeFolder, writeWhole } from "../files/write-whole.js";
import { missingFonts } from "./fonts.js";
import { type Figure, pngOf } from "./plot.js";

/** Writes `figures` into `folder` as NAME.svg and NAME.png, without the latter where there are no fonts; returns the paths. */
export async function writeFigures(folder: string, figures: readonly Figure[]): Promise<string[]> {
  makeFolder(folder);
  const drawn = missingFonts() === undefined;
  const paths: string[] = [];
  for (const { name, svg } of figures) {
    const [vector, raster] = [join(folder, `${name}.svg`), join(folder, `${name}.png`)];
    writeWhole(vector, svg);
    paths.push(vector);
    if (!drawn) continue;
    writeWhole(raster, await pngOf(svg));
    paths.push(raster);
  }
  return paths;
}
