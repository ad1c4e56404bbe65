/** Options of data sets that are folders of pictures. */
import { boolean, choice, integer, number } from "../options.js";
import { defaultMaxMegapixels } from "./decode.js";

export const folderOptions = {
  size: integer(32, { min: 4, max: 1024, doc: "height and width in pixels that every picture is brought to" }),
  fit: choice(["crop", "pad", "stretch"], "crop", {
    doc: "crop: the short side fits, the middle is kept; pad: the long side fits, black bars; stretch: both sides fit",
  }),
  channels: choice(["color", "gray"], "color", { doc: "3 channels (sRGB) or 1 (gray)" }),
  testShare: number(0.2, {
    min: 0.01,
    max: 0.9,
    doc: "share of the labeled pictures of each class held out for testing where there is no test folder",
  }),
  testSeed: integer(0, { min: 0, doc: "seed of the draw of the pictures held out for testing" }),
  keepLabels: boolean(false, {
    doc: "with a labels file: pictures in class folders that it does not name keep their label (else they are unlabeled)",
  }),
  overlap: choice(["error", "drop"], "error", {
    doc: "labeled pictures that are also in the test folder (by content): end with an error, or do not train on them",
  }),
  maxDamaged: number(0.1, {
    min: 0,
    max: 1,
    doc: "share of the files that may be damaged and left out before the run ends with an error",
  }),
  memoryMB: integer(4000, {
    min: 1,
    doc: "memory that the decoded pictures may take, in megabytes; those beyond it are decoded each time they are needed",
  }),
  check: choice(["decode", "header"], "decode", {
    doc: "before the run: decode every file, or read its beginning and end only (quicker; pictures are then decoded on demand, and a file damaged further in is replaced by another of its class)",
  }),
  maxMegapixels: integer(defaultMaxMegapixels, {
    min: 1,
    max: 1000,
    doc: "larger pictures count as damaged; they are refused by their header, before any memory is taken",
  }),
} as const;
