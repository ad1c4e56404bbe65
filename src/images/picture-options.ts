/** Options of data sets made of picture files, in folders or in shards: how each is decoded, and what is held out. */

import { choice, integer, type Need, number, type OptionsOf } from "../options.js";
import { defaultMaxMegapixels } from "./decode.js";
import type { Decoding } from "./image-set.js";

export const decodingOptions = {
  size: integer(32, { min: 4, max: 1024, doc: "height and width in pixels that every picture is brought to" }),
  fit: choice(["crop", "pad", "stretch"], "crop", {
    doc: "crop: the short side fits, the middle is kept; pad: the long side fits, black bars; stretch: both sides fit",
  }),
  channels: choice(["color", "gray"], "color", { doc: "3 channels (sRGB) or 1 (gray)" }),
  maxMegapixels: integer(defaultMaxMegapixels, {
    min: 1,
    max: 1000,
    doc: "larger pictures count as damaged; they are refused by their header, before any memory is taken",
  }),
};

export function decodingOf({ size, fit, channels, maxMegapixels }: OptionsOf<typeof decodingOptions>): Decoding {
  return { size, fit, channels: channels === "gray" ? 1 : 3, maxMegapixels };
}

/** `where`: what would hold test pictures ("is no test folder"). */
export const holdOutOptions = (where: string, needs: readonly Need[] = []) => ({
  testShare: number(0.2, {
    needs,
    min: 0.01,
    max: 0.9,
    doc: `share of the labeled pictures of each class held out for testing where there ${where}`,
  }),
  testSeed: integer(0, {
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    needs,
    doc: "seed of the draw of the pictures held out for testing",
  }),
});
