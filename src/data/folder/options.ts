/** Options of data sets that are folders of pictures. */

import { decodingOptions, holdOutOptions } from "../../images/picture-options.js";
import { boolean, choice, integer, needThat, number, path } from "../../options.js";

export const folderOptions = {
  ...decodingOptions,
  ...holdOutOptions("is no test folder"),
  testLabels: path("", {
    value: "file",
    doc: "labels file of the pictures to test with, in place of held out ones or beside a test folder: they are not trained on",
  }),
  keepLabels: boolean(false, {
    needs: [needThat("labels", "with a labels file", (labels) => !/^(all|\d+)$/.test(String(labels)), {})],
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
} as const;
